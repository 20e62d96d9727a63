"""Processes that decode and cut recordings as Segmenters do, and put the rows into a queue; and rows that lie ready."""

import contextlib
import itertools
import multiprocessing
import queue
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipelines.audio.pcm import Pcm
from pipelines.audio.sandbox import Decoder, DecodingHere, IsolatedDecoder
from pipelines.audio.segmentation import split_audio
from pipelines.core import SAMPLE_RATE
from scripts.throughput.processes import ROOT

RECORDINGS = tuple(ROOT / "tests" / "data" / name for name in ("meeting-12min.mp3", "call-stereo.opus"))
"""Speech in the two formats that most recordings come in, cut again and again."""
_LONGEST_S = 3600.0
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Cut:
    """What one process cut: audio seconds, and the seconds that it worked, which are those it did not wait for room."""

    audio_s: float
    working_s: float

    @property
    def speed(self) -> float:
        """Audio seconds per second of work."""
        return self.audio_s / self.working_s if self.working_s else 0.0


def ready_rows(n_rows: int) -> list[Pcm]:
    """Cut rows of one window out of a recording: int16 at 16 kHz."""
    rows = rows_of(RECORDINGS[:1], DecodingHere)
    return list(itertools.islice(rows, n_rows))


def rows_of(recordings: Iterable[Path], decode: Decoder) -> Iterator[Pcm]:
    """Yield the rows of recordings as a Segmenter cuts them for models of full windows."""
    for path in recordings:
        with path.open("rb") as source:
            blocks = decode(source, channels="mix", max_duration_s=_LONGEST_S, max_channels=2)
            for draft in split_audio(blocks):
                for chunk in draft.chunks:
                    yield draft.row(chunk)


class Segmenters:
    """Runs ``n`` processes from construction until `stop`, which put rows into a bounded ``rows`` queue."""

    def __init__(self, n: int, rows: "multiprocessing.Queue[Pcm]", recordings: Sequence[Path] = RECORDINGS) -> None:
        context = multiprocessing.get_context("spawn")
        self._ended = context.Event()
        self._pipes = []
        self._processes = []
        for number in range(n):
            ours, theirs = context.Pipe(duplex=False)
            turned = [*recordings[number % len(recordings) :], *recordings[: number % len(recordings)]]
            process = context.Process(target=_segment, args=(turned, rows, self._ended, theirs), daemon=True)
            process.start()
            theirs.close()
            self._pipes.append(ours)
            self._processes.append(process)

    def stop(self, timeout_s: float = 30.0) -> list[Cut]:
        """End the processes, and return what each did; none of one that does not answer.

        What is in the queue is lost, and the queue of no use: a row may have been cut short in it.
        """
        self._ended.set()
        found: list[Cut] = []
        until_s = time.monotonic() + timeout_s
        for pipe, process in zip(self._pipes, self._processes, strict=True):
            if pipe.poll(max(0.0, until_s - time.monotonic())):
                with contextlib.suppress(EOFError):  # it failed, and said so on standard error
                    found.append(pipe.recv())
            process.join(timeout=1.0)
            process.kill()
            process.join()
        return found


def _segment(recordings: Sequence[Path], rows: "multiprocessing.Queue[Pcm]", ended: Any, answer: Any) -> None:
    """Cut recordings in turn until ``ended`` is set, then ``answer`` a `Cut`."""
    import torch

    torch.set_num_threads(1)
    rows.cancel_join_thread()  # nobody takes what is left at the end
    caller = multiprocessing.parent_process()
    assert caller is not None
    decode = IsolatedDecoder()
    audio_s = waited_s = 0.0
    began_s = None
    try:
        for pcm in rows_of(itertools.cycle(recordings), decode):
            if began_s is None:
                began_s = time.monotonic()  # loading is no work that grows with the recordings
            else:
                audio_s += len(pcm) / SAMPLE_RATE
            put_s = time.monotonic()
            while not ended.is_set() and caller.is_alive():
                try:
                    rows.put(pcm, timeout=_POLL_S)
                    break
                except queue.Full:
                    continue
            waited_s += time.monotonic() - put_s
            if ended.is_set() or not caller.is_alive():
                break
    finally:
        decode.close()
    answer.send(Cut(audio_s=audio_s, working_s=time.monotonic() - (began_s or 0.0) - waited_s))
    answer.close()


def save_rows(rows: Sequence[Pcm], path: Path) -> Path:
    """Write rows to a file for the workers."""
    np.savez(path, *rows)
    return path


def load_rows(path: Path) -> list[Pcm]:
    """Read what `save_rows` wrote."""
    with np.load(path) as stored:
        return [stored[name] for name in stored.files]
