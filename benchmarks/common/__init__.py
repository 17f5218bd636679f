"""What the benchmarks share: the command, the report, and what watches other programs."""
