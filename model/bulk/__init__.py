"""Classifies folders of any size into a Parquet table, on one machine or on many."""

from model.inference.card import ModelCard

# The graph, the card and the precision of a model, as ``read_network`` returns them.
ServedNetwork = tuple[bytes, ModelCard, str]
