"""Real Whisper weights for tests: where they are on this machine, and a mark for tests that need them.

They are looked for in the folder that the environment names (`variable`), else where `scripts/fetch-whisper` puts them.
CI fetches all of them, so that it skips nothing.
"""

import os
from pathlib import Path

import pytest

from pipelines.models.catalogue import missing_files
from scripts.published_weights import cached_folder


def variable(name: str) -> str:
    """Return the environment variable that names a model's folder: ``TEST_WHISPER_BASE``, ``TEST_WHISPER_TINY_EN``.

    It does not begin like a setting's: a cluster under test would refuse it.
    """
    return f"TEST_WHISPER_{name.upper().replace('.', '_')}"


def weights_folder(name: str) -> Path:
    """Return the folder where the model of that name is, or would be."""
    return Path(os.environ.get(variable(name)) or cached_folder(name))


def needs_weights(name: str) -> pytest.MarkDecorator:
    """Mark tests as skipped where the model is not there; the reason says how to get it."""
    return pytest.mark.skipif(
        bool(missing_files(weights_folder(name))),
        reason=f"needs real weights: scripts/fetch-whisper {name}, or their folder in {variable(name)}",
    )
