"""Measures the ways to use a device: encoders, pooling, rows at once, processes, and what feeds them."""
