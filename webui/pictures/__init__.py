"""The pictures of a request, from how they arrive to what becomes of each."""
