"""A process with a model on the device, as a Transcriber's replica is one, and the caller's side of it."""

import contextlib
import multiprocessing
import queue
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from pipelines.audio.pcm import Pcm
from pipelines.errors import MeetMemoError
from pipelines.models.device_faults import is_device_lost, is_out_of_memory
from pipelines.whisper.ct2_model import EngineOptions
from pipelines.whisper.encoding.encoder import EncoderChoice
from scripts.gpu_bench.cells import Batch, Outcome

_MIN_BATCHES = 2
HUNGRY_S = 30.0
"""Without a row: then nobody cuts any more."""
_END_S = 10.0
_POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A model that a worker loaded."""

    compute_type: str
    device_name: str


@dataclass(frozen=True, kw_only=True)
class Trouble:
    """Why a worker has no answer. ``over``: it has ended, or is of no use any more."""

    outcome: Outcome
    detail: str
    over: bool = False


class Worker:
    """The caller's side of a process that loads a model; asked one thing at a time, answered by `answer`."""

    def __init__(self, model: Path, options: EngineOptions, ready: Path, fed: "multiprocessing.Queue[Pcm]") -> None:
        """Start to load; the first `answer` is `Loaded`."""
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=serve, args=(theirs, model, options, ready, fed), daemon=True)
        self._process.start()
        theirs.close()

    @property
    def process_id(self) -> int:
        return self._process.pid or 0

    def prepare(self, choice: EncoderChoice, batch_size: int) -> None:
        """Have it decode so; the answer is the first batch, which allocates."""
        self._ask("prepare", choice, batch_size)

    def measure(self, seconds: float) -> None:
        """Have it decode ready rows for so long; the answer is its batches."""
        self._ask("measure", seconds)

    def measure_fed(self, seconds: float) -> None:
        """Have it decode rows of the queue for so long; the answer is its batches."""
        self._ask("measure_fed", seconds)

    def answer(self, until_s: float) -> "Loaded | list[Batch] | Trouble":
        """Return its answer; one that gives none until then (of the monotonic clock) is ended."""
        try:
            if self._pipe.poll(max(0.0, until_s - time.monotonic())):
                found: Loaded | list[Batch] | Trouble = self._pipe.recv()
                return found
            trouble = Trouble(outcome=Outcome.TIMED_OUT, detail="no answer in time", over=True)
        except (EOFError, OSError):
            self._process.join(timeout=_END_S)
            code = self._process.exitcode
            trouble = Trouble(outcome=Outcome.FAILED, detail=f"the process ended with code {code}", over=True)
        self.stop()
        return trouble

    def stop(self) -> None:
        """End the process, whatever it does."""
        self._pipe.close()
        self._process.kill()
        self._process.join()

    def _ask(self, *question: Any) -> None:
        with contextlib.suppress(OSError):  # it has ended: `answer` says so
            self._pipe.send(question)


def serve(pipe: Any, model: Path, options: EngineOptions, ready: Path, fed: "multiprocessing.Queue[Pcm]") -> None:
    """Answer the questions of `Worker` until its end of the pipe is closed."""
    # Where the caller would load torch with them.
    from scripts.gpu_bench.lane import Lane
    from scripts.gpu_bench.segmenters import load_rows

    try:
        lane = Lane(model, options)
        rows = load_rows(ready)
        lane.decode(rows[:1])
        answer: Any = Loaded(compute_type=lane.model.compute_type, device_name=lane.model.device_name)
    except Exception as error:  # whatever it is, it is the answer
        pipe.send(_trouble(error, over=True))
        return
    pipe.send(answer)
    batch_size = options.batch_size
    while True:
        try:
            name, *arguments = pipe.recv()
        except (EOFError, OSError):
            return
        try:
            if name == "prepare":
                choice, batch_size = arguments
                lane.use(choice, batch_size)
                answer = [lane.decode(_repeated(rows, batch_size))]
            elif name == "measure":
                answer = _for_seconds(lane, _repeated(rows, batch_size), *arguments)
            else:
                answer = _fed_for_seconds(lane, fed, batch_size, *arguments)
        except Exception as error:  # as above
            answer = _trouble(error)
        try:
            pipe.send(answer)
        except OSError:
            return
        if isinstance(answer, Trouble) and answer.over:
            return


def _for_seconds(lane: Any, rows: Sequence[Pcm], seconds: float) -> list[Batch]:
    batches: list[Batch] = []
    until_s = time.monotonic() + seconds
    while len(batches) < _MIN_BATCHES or time.monotonic() < until_s:
        batches.append(lane.decode(rows))
    return batches


def _fed_for_seconds(lane: Any, fed: "multiprocessing.Queue[Pcm]", batch_size: int, seconds: float) -> list[Batch]:
    """Decode what the queue has; the first batch, whose rows lay there, does not count.

    The rows of the next batch are read meanwhile, as a Transcriber does.
    """
    batches: list[Batch] = []
    ended = threading.Event()
    until_s = time.monotonic() + seconds
    with ThreadPoolExecutor(1) as reader:
        try:
            coming = reader.submit(_read, fed, batch_size, ended)
            while len(batches) < 1 + _MIN_BATCHES or time.monotonic() < until_s:
                asked_s = time.monotonic()
                rows = coming.result()
                waited_s = time.monotonic() - asked_s
                coming = reader.submit(_read, fed, batch_size, ended)
                batches.append(lane.decode(rows, waited_s=waited_s))
        finally:
            ended.set()
    return batches[1:]


def _read(fed: "multiprocessing.Queue[Pcm]", batch_size: int, ended: threading.Event) -> list[Pcm]:
    """Take the rows of a batch, or fewer once ``ended``. Raises RuntimeError when none comes any more."""
    rows: list[Pcm] = []
    last_s = time.monotonic()
    while len(rows) < batch_size and not ended.is_set():
        try:
            rows.append(fed.get(timeout=_POLL_S))
            last_s = time.monotonic()
        except queue.Empty:
            if time.monotonic() - last_s > HUNGRY_S:
                raise RuntimeError(f"no rows came for {HUNGRY_S:g} s") from None
    return rows


def _repeated(rows: Sequence[Pcm], n: int) -> list[Pcm]:
    return list(islice(cycle(rows), n))


def _trouble(error: Exception, *, over: bool = False) -> Trouble:
    from scripts.gpu_bench.lane import DeviceFull

    detail = f"{error}".partition("\n")[0] or type(error).__name__
    if isinstance(error, DeviceFull) or is_out_of_memory(error):
        return Trouble(outcome=Outcome.OUT_OF_MEMORY, detail=detail, over=over)
    if is_device_lost(error):
        return Trouble(outcome=Outcome.DEVICE_LOST, detail=detail, over=True)
    known = isinstance(error, MeetMemoError | RuntimeError | ValueError)
    return Trouble(outcome=Outcome.FAILED, detail=detail if known else f"{type(error).__name__}: {detail}", over=over)
