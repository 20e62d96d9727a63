"""Chaos: real clusters whose parts are killed at seeded moments while jobs run, and what must be true afterwards."""
