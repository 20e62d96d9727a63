"""``meetmemo`` with a Transcriber that hangs once, loses its device or dies of a chunk, as files in its home say.

``hang``: the next batch never comes back, and the file is taken away. ``lose``: the file is taken away, and from now on
every batch of this process meets CUDA's error. ``poison``: the process ends whenever a batch holds the chunk with this
index. Everything else is as users run it.
"""

import os
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cluster.app
from cluster.cli.main import main
from cluster.serve.engine_share import EngineShare
from cluster.serve.transcriber import TranscriberReplica
from cluster.settings.sections import ModelSettings
from cluster.settings.settings import Settings
from pipelines.core import ChunkResult
from pipelines.whisper.options import DecodeRequest


class FaultyEngine:
    """Passes everything on to ``engine``, unless a file says otherwise."""

    def __init__(self, engine: Any, home: Path) -> None:
        self._engine = engine
        self._home = home
        self._lost = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._engine, name)

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        hang, lose, poison = self._home / "hang", self._home / "lose", self._home / "poison"
        if hang.exists():
            hang.unlink()
            threading.Event().wait()
        if lose.exists():
            lose.unlink()
            self._lost = True
        if self._lost:
            raise RuntimeError("CUDA failed with error uncorrectable ECC error encountered")
        if poison.exists() and int(poison.read_text()) in [row.index for row in rows]:
            os._exit(9)
        results: list[ChunkResult] = self._engine.transcribe(rows)
        return results


class FaultyTranscriberReplica(TranscriberReplica):
    """A Transcriber around a `FaultyEngine`."""

    def __init__(self, settings: Settings, model: ModelSettings, share: EngineShare) -> None:
        super().__init__(settings, model, share)
        self._engine = FaultyEngine(self._engine, settings.home)


if __name__ == "__main__":
    from tests.acceptance import faulty_cluster

    # By its importable name: Ray's workers look it up there.
    cluster.app.TranscriberReplica = faulty_cluster.FaultyTranscriberReplica
    main()
