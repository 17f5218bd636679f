"""Measures how often models are right on photographs, and shows where they are surely wrong."""
