"""CTranslate2 on ready features with nothing around it: the practical limit of everything built on it."""

import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import ctranslate2
import numpy as np
import numpy.typing as npt

from pipelines.models.catalogue import read_profile
from pipelines.whisper.engine import window_frames
from pipelines.whisper.log_mel import HOP_SAMPLES, LogMel
from pipelines.whisper.tokenizer import Vocabulary
from scripts.throughput.arms import Heard, cut, rows_of
from scripts.throughput.mixes import LANGUAGE

Features = npt.NDArray[np.float32]
_MAX_LENGTH = 448


class Bare:
    """Decodes MeetMemo's windows in batches of one length, on as many workers as there are threads; no fallback.

    ``wide``: rows are encoded one by one and decoded together, else encoded and decoded in one call.
    """

    def __init__(self, model: Path, threads: int, *, wide: bool, batch_size: int = 16) -> None:
        self._whisper = ctranslate2.models.Whisper(
            str(model), device="cpu", compute_type="int8", inter_threads=threads, intra_threads=1
        )
        self._vocabulary = Vocabulary.load(model)
        self._profile = read_profile(model)
        self._threads, self._wide, self._batch_size = threads, wide, batch_size
        self._prepared: dict[tuple[str, ...], list[list[Features]]] = {}

    def run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        """Decode all rows of all files; call `prepare` with them first."""
        tokens = self._vocabulary
        prompt = [tokens.sot, tokens.language_token(LANGUAGE), tokens.transcribe]

        def decode(batch: list[Features]) -> list[str]:
            if self._wide:
                parts = [np.array(self._whisper.encode(ctranslate2.StorageView.from_array(row[None]))) for row in batch]
                joined = np.concatenate(parts)
            else:
                joined = np.stack(batch)
            found = self._whisper.generate(
                ctranslate2.StorageView.from_array(joined),
                [prompt] * len(batch),
                beam_size=beam,
                max_length=_MAX_LENGTH,
            )
            return [tokens.decode([token for token in one.sequences_ids[0] if token < tokens.eot]) for one in found]

        started_s = time.monotonic()
        with ThreadPoolExecutor(self._threads) as lanes:
            texts = [text for batch in lanes.map(decode, self._prepared[tuple(paths)]) for text in batch]
        after_s = time.monotonic() - started_s
        return [Heard(text=" ".join(texts), after_s=after_s)]

    def prepare(self, paths: Sequence[str]) -> None:
        """Make the features of all rows, in batches of one length."""
        log_mel = LogMel(int(self._whisper.n_mels), "cpu")
        by_length: dict[int, list[Features]] = {}
        for path in paths:
            for draft in cut(path, self._profile.window_s):
                for _, pcm in rows_of(draft):
                    n_frames = log_mel.n_frames_for(HOP_SAMPLES * window_frames(len(pcm), self._profile))
                    by_length.setdefault(n_frames, []).append(log_mel([pcm], pad_to=n_frames)[0].numpy())
        self._prepared[tuple(paths)] = [
            rows[i : i + self._batch_size] for rows in by_length.values() for i in range(0, len(rows), self._batch_size)
        ]
