"""Measures how often models are right on noisy, blurred, faded and compressed pictures."""
