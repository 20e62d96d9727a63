"""The arms of the benchmark that run in one process, each with the same weights, threads, language and beam."""

import queue
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from faster_whisper import BatchedInferencePipeline, WhisperModel

from pipelines.audio.decode import decode_audio
from pipelines.audio.segmentation import SegmentationOptions, SpanDraft, split_audio
from pipelines.core import SAMPLE_RATE, BlobRef, ChunkResult
from pipelines.models.catalogue import read_profile
from pipelines.transcript.stitching import stitch
from pipelines.whisper.engine import EngineOptions, WhisperEngine
from pipelines.whisper.options import DecodeOptions, DecodeRequest
from scripts.throughput.mixes import LANGUAGE, Pcm

_LONGEST_S = 24 * 3600.0
_NOWHERE = BlobRef(key="none", n_bytes=0)


@dataclass(frozen=True, kw_only=True)
class Heard:
    """The text of a file, and how long it took from the start of the run until it was there."""

    text: str
    after_s: float


class Arm(Protocol):
    """A way to transcribe files."""

    def run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        """Transcribe files, in order."""


class FasterWhisperSequential:
    """Runs faster-whisper, file by file and window after window; without previous text, which confuses small models."""

    def __init__(self, model: Path, threads: int) -> None:
        self._whisper = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=threads)

    def run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        """See `Arm`."""
        started_s = time.monotonic()
        texts = []
        for path in paths:
            found, _ = self._whisper.transcribe(
                path, language=LANGUAGE, beam_size=beam, condition_on_previous_text=False
            )
            text = " ".join(segment.text.strip() for segment in found)
            texts.append(Heard(text=text, after_s=time.monotonic() - started_s))
        return texts


class FasterWhisperBatched:
    """Runs faster-whisper's batched pipeline, file by file."""

    def __init__(self, model: Path, threads: int, batch_size: int) -> None:
        whisper = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=threads)
        self._pipeline = BatchedInferencePipeline(whisper)
        self._batch_size = batch_size

    def run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        """See `Arm`."""
        started_s = time.monotonic()
        texts = []
        for path in paths:
            found, _ = self._pipeline.transcribe(path, language=LANGUAGE, beam_size=beam, batch_size=self._batch_size)
            text = " ".join(segment.text.strip() for segment in found)
            texts.append(Heard(text=text, after_s=time.monotonic() - started_s))
        return texts


class Engine:
    """Runs MeetMemo's splitter, engine and stitcher in one process: one thread cuts, one per decode slot decodes."""

    def __init__(self, model: Path, threads: int, batch_size: int = 16) -> None:
        self._whisper = WhisperEngine.load(
            model, EngineOptions(inter_threads=threads, intra_threads=1, batch_size=batch_size)
        )
        self._whisper.warm_up()  # with the faster encoder, as a replica
        self._window_s = read_profile(model).window_s
        self._threads, self._batch_size = threads, batch_size

    def run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        """See `Arm`."""
        return _Bulk(self._whisper, self._window_s, self._threads, self._batch_size).run(paths, beam)


def cut(path: str, window_s: float) -> Iterator[SpanDraft]:
    """Decode a file and cut it as MeetMemo does."""
    return split_audio(decode_audio(Path(path), max_duration_s=_LONGEST_S), SegmentationOptions(window_s=window_s))


def rows_of(draft: SpanDraft) -> Iterator[tuple[int, Pcm]]:
    """Yield a span's chunks: index and samples."""
    for chunk in draft.chunks:
        yield chunk.index, draft.row(chunk)


class _Bulk:
    """Transcribes the files of one run; chunks of all files meet in one bounded queue."""

    def __init__(self, whisper: WhisperEngine, window_s: float, lanes: int, batch_size: int) -> None:
        self._whisper = whisper
        self._window_s = window_s
        self._lanes = lanes
        self._batch_size = batch_size
        self._rows: queue.Queue[tuple[int, DecodeRequest] | None] = queue.Queue(maxsize=16 * batch_size * lanes)

    def run(self, paths: Sequence[str], beam: int) -> list[Heard]:
        started_s = time.monotonic()
        spans: list[list[SpanDraft]] = [[] for _ in paths]
        results: list[dict[int, ChunkResult]] = [{} for _ in paths]
        cutter = threading.Thread(target=self._cut, args=(paths, beam, spans))
        cutter.start()
        with ThreadPoolExecutor(self._lanes) as lanes:
            for _ in range(self._lanes):
                lanes.submit(self._decode, results)
        cutter.join()
        texts = [self._stitch(cut, heard) for cut, heard in zip(spans, results, strict=True)]
        return [Heard(text=text, after_s=time.monotonic() - started_s) for text in texts]

    def _cut(self, paths: Sequence[str], beam: int, spans: list[list[SpanDraft]]) -> None:
        options = DecodeOptions(language=LANGUAGE, beam_size=beam)
        for place, path in enumerate(paths):
            for draft in cut(path, self._window_s):
                spans[place].append(draft)
                for index, pcm in rows_of(draft):
                    self._rows.put((place, DecodeRequest(pcm=pcm, index=index, options=options)))
        for _ in range(self._lanes):
            self._rows.put(None)

    def _decode(self, results: list[dict[int, ChunkResult]]) -> None:
        while True:
            batch = []
            while len(batch) < self._batch_size and (item := self._rows.get()) is not None:
                batch.append(item)
            for (place, row), result in zip(batch, self._whisper.transcribe([row for _, row in batch]), strict=True):
                results[place][row.index] = result
            if len(batch) < self._batch_size:
                return

    def _stitch(self, drafts: Sequence[SpanDraft], results: dict[int, ChunkResult]) -> str:
        spans = [draft.stored(_NOWHERE) for draft in drafts]
        duration_s = max((draft.end for draft in drafts), default=0) / SAMPLE_RATE
        transcript = stitch(spans, results, duration_s=duration_s, n_channels=1, languages=(), model=self._whisper.info)
        return transcript.text
