"""Measures how good a training on few pictures of other classes is."""
