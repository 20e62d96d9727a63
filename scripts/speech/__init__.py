"""Synthetic speech: the voices of the bundled model, and sample recordings spoken by them."""
