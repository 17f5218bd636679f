"""Measurements of this project beside others that do the same; see ``benchmarks/README.md``."""
