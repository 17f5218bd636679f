"""What TorchServe runs for each request; packed into every archive."""
