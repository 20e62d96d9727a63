"""Errors as answers: which ones a route may give, and how they are documented."""
