"""Drives a model through the product's own steps, a batch at a time, and times each of them.

These are the steps of `pipelines.whisper.engine` but for three that depend on what is heard: second tries, the choice
of the encoder and holes that are decoded again. A shaped model says equally many tokens about every window.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import torch

from pipelines.audio.pcm import Pcm
from pipelines.whisper.ct2_model import EngineOptions, RowFailure, WhisperModel
from pipelines.whisper.encoding.encoder import EncoderChoice
from pipelines.whisper.log_mel import WINDOW_FRAMES, LogMel
from pipelines.whisper.options import DecodeOptions, DecodeRequest
from pipelines.whisper.row_decoder import DecodeState, WindowDecoder
from pipelines.whisper.tokenizer import Vocabulary
from scripts.gpu_bench.cells import Batch

_LANGUAGE = "en"
_ONCE = DecodeOptions(language=_LANGUAGE, temperatures=(0.0,))


class DeviceFull(Exception):
    """The device's memory has no room for so many rows."""


class Lane:
    """A loaded model that decodes batches one after the other."""

    def __init__(self, path: Path, options: EngineOptions) -> None:
        """Load a model folder. Raises as `WhisperModel` does."""
        vocabulary = Vocabulary.load(path)
        self.model = WhisperModel(path, options)
        self._log_mel = LogMel(self.model.n_mels, self.model.device_name)
        self._decoder = WindowDecoder(self.model, vocabulary, language_tokens=True)

    def use(self, choice: EncoderChoice, batch_size: int) -> None:
        """Decode so from now on; what torch kept for earlier batches is given back."""
        self.model.use(choice)
        self.model.resize(batch_size)
        if self.model.kind == "cuda":
            torch.cuda.empty_cache()

    def decode(self, rows: Sequence[Pcm], waited_s: float = 0.0) -> Batch:
        """Decode a batch. Raises `DeviceFull`, and RuntimeError for everything else that goes wrong."""
        requests = [DecodeRequest(pcm=pcm, index=i, options=_ONCE) for i, pcm in enumerate(rows)]
        began_s = time.monotonic()
        seconds: list[float] = []
        with self._timed(seconds):
            features = self._log_mel(rows, pad_to=WINDOW_FRAMES)
        with self._timed(seconds):
            encodings = self.model.encode(features)
        del features
        windows = []
        for request, encoding in zip(requests, encodings, strict=True):
            if isinstance(encoding, RowFailure):
                raise RuntimeError(str(encoding))
            windows.append(DecodeState(row=request, language=_LANGUAGE, timestamps=False, encoding=encoding))
        self._check_room(len(rows))
        with self._timed(seconds):
            self._decoder.decode(windows)
            results = self._decoder.finish(windows)
        if errors := [result.error for result in results if result.error]:
            raise RuntimeError(errors[0])
        self._check_room(len(rows))
        return Batch(
            began_s=began_s,
            ended_s=time.monotonic(),
            n_rows=len(rows),
            audio_s=sum(request.duration_s for request in requests),
            n_tokens=sum(len(window.candidates[-1].tokens) for window in windows),
            features_s=seconds[0],
            encoder_s=seconds[1],
            decoder_s=seconds[2],
            waited_s=waited_s,
        )

    def _check_room(self, n_rows: int) -> None:
        """Raise `DeviceFull` where the model went on with fewer rows by itself."""
        if self.model.rows_at_once < n_rows:
            raise DeviceFull(f"there is room for {self.model.rows_at_once} rows at once")

    @contextmanager
    def _timed(self, seconds: list[float]) -> Iterator[None]:
        began_s = time.perf_counter()
        yield
        if self.model.kind == "cuda":
            torch.cuda.synchronize(self.model.index)
        seconds.append(time.perf_counter() - began_s)
