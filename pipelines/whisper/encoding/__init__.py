"""Compute a model's encoder: the runtimes there are, and which of them is used."""
