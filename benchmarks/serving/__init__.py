"""How fast does the server answer? TorchServe beside other servers with the same network."""
