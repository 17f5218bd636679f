"""What the web UI accepts and answers, in OpenAPI 3.1."""
