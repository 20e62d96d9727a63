"""Counts how often bytes are hashed."""

import hashlib
from collections.abc import Callable
from typing import Any

import pytest


class HashCounter:
    """Remembers every hash object of ``hashlib`` that is made while it is installed."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self._hashes: list[Any] = []
        self._sha256 = hashlib.sha256
        for name in ("sha256", "new"):
            monkeypatch.setattr(hashlib, name, self._counting(getattr(hashlib, name)))

    def times(self, data: bytes) -> int:
        """How many hash objects were fed exactly these bytes for SHA-256."""
        expected = self._sha256(data).hexdigest()
        return sum(made.hexdigest() == expected for made in self._hashes)

    def _counting(self, constructor: Callable[..., Any]) -> Callable[..., Any]:
        def make(*args: Any, **options: Any) -> Any:
            self._hashes.append(constructor(*args, **options))
            return self._hashes[-1]

        return make
