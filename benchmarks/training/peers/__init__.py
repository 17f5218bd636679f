"""Training programs that others would write in this project's place."""
