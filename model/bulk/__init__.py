"""Classifies folders of any size into a Parquet table, on one machine or on many."""
