"""TorchServe as the web UI sees it: its HTTP interface, its keys and its predictions."""
