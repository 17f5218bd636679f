"""The start page, its answers, what the model knows, and the probes."""
