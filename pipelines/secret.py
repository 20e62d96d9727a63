"""Secrets that may be rotated: their value, or a function that reads it where it lies, at each use."""

from collections.abc import Callable

Secret = str | Callable[[], str]
"""A secret's value, or a function that returns its value now, "" where there is none."""


def revealed(secret: Secret) -> str:
    """Return a secret's value now."""
    return secret if isinstance(secret, str) else secret()
