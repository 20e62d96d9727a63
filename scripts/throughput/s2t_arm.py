"""WhisperS2T on its CTranslate2 backend: batches over files, its own voice activity detection.

It is no requirement of ours: ``pip install --no-deps whisper-s2t rich platformdirs`` in an environment that has the
``bench`` extra, and ffmpeg.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from scripts.throughput.arms import Heard
from scripts.throughput.mixes import LANGUAGE


class WhisperS2T:
    """Transcribes all files in one call, as WhisperS2T's documentation shows; no file is done before all are."""

    def __init__(self, model: Path, threads: int, batch_size: int) -> None:
        import whisper_s2t  # needs a moment, and packages that no other arm needs

        self._model = whisper_s2t.load_model(
            str(model), device="cpu", compute_type="int8", cpu_threads=threads, num_workers=1
        )
        self._batch_size = batch_size

    def run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        """See `scripts.throughput.arms.Arm`."""
        started_s = time.monotonic()
        self._model.update_generation_kwargs({"beam_size": beam})
        found = self._model.transcribe_with_vad(
            list(paths), lang_codes=[LANGUAGE], tasks=["transcribe"], batch_size=self._batch_size
        )
        after_s = time.monotonic() - started_s
        return [Heard(text=" ".join(part["text"] for part in parts), after_s=after_s) for parts in found]
