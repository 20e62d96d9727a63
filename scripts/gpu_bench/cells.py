"""Cells of the table: what is measured, and what came of it. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import product

from pipelines.models.devices import EncoderName
from pipelines.whisper.encoding.encoder import EncoderChoice


class Feed(StrEnum):
    """Where rows come from: they lie ready, or processes decode and cut recordings meanwhile."""

    ROWS = "rows"
    SEGMENTERS = "segmenters"


class Outcome(StrEnum):
    """What came of a cell."""

    MEASURED = "measured"
    OUT_OF_MEMORY = "out of memory"
    DEVICE_LOST = "device lost"
    FAILED = "failed"
    TIMED_OUT = "timed out"
    NOT_TRIED = "not tried"


@dataclass(frozen=True, kw_only=True)
class Cell:
    """A way to decode with ``n_workers`` processes on one device, each with batches of ``batch_size`` rows."""

    model: str
    encoder: EncoderName
    pooling: int
    batch_size: int
    n_workers: int = 1
    feed: Feed = Feed.ROWS

    @property
    def choice(self) -> EncoderChoice:
        return EncoderChoice(encoder=self.encoder, pooling=self.pooling)


@dataclass(frozen=True, kw_only=True)
class Batch:
    """A batch that a worker decoded: when (seconds of the machine's monotonic clock), how much, and what took it.

    ``waited_s`` passed before it until its rows were there.
    """

    began_s: float
    ended_s: float
    n_rows: int
    audio_s: float
    n_tokens: int
    features_s: float
    encoder_s: float
    decoder_s: float
    waited_s: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Measurement:
    """A row of the table. ``speed``: audio seconds per second of all workers; ``*_ms``: of one worker, a window.

    ``memory_bytes``: most of the device's memory that the workers had; ``utilisation``: share of the time in which the
    device computed something; None where nothing tells. ``waited``: share of the workers' time without rows.
    ``n_segmenters`` cut recordings, and one of them cuts ``segmenter_speed`` audio seconds in a second of its work.
    """

    cell: Cell
    outcome: Outcome
    detail: str = ""
    speed: float = 0.0
    batch_s: float = 0.0
    tokens_a_window: float = 0.0
    features_ms: float = 0.0
    encoder_ms: float = 0.0
    decoder_ms: float = 0.0
    memory_bytes: int | None = None
    utilisation: float | None = None
    waited: float | None = None
    n_segmenters: int = 0
    segmenter_speed: float = 0.0

    @classmethod
    def of(
        cls, cell: Cell, workers: Sequence[Sequence[Batch]], memory_bytes: int | None, utilisation: float | None
    ) -> "Measurement":
        """Compute a row from the batches of each worker."""
        batches = [batch for worker in workers for batch in worker]
        n_rows = sum(batch.n_rows for batch in batches)
        busy_s = sum(batch.ended_s - batch.began_s for batch in batches)
        waited_s = sum(batch.waited_s for batch in batches)
        return cls(
            cell=cell,
            outcome=Outcome.MEASURED,
            speed=common_speed(workers),
            batch_s=busy_s / len(batches),
            tokens_a_window=sum(batch.n_tokens for batch in batches) / n_rows,
            features_ms=1000 * sum(batch.features_s for batch in batches) / n_rows,
            encoder_ms=1000 * sum(batch.encoder_s for batch in batches) / n_rows,
            decoder_ms=1000 * sum(batch.decoder_s for batch in batches) / n_rows,
            memory_bytes=memory_bytes,
            utilisation=utilisation,
            waited=waited_s / (waited_s + busy_s) if cell.feed is Feed.SEGMENTERS else None,
        )


def common_speed(workers: Sequence[Sequence[Batch]]) -> float:
    """Return the audio seconds per second of all workers while all of them were at work.

    A batch counts by its part in that time: the last of them decode alone, and faster than they would together.
    Waiting for rows belongs to the batch that it was for.
    """
    began_s = max(worker[0].began_s - worker[0].waited_s for worker in workers)
    ended_s = min(worker[-1].ended_s for worker in workers)
    if ended_s <= began_s:  # each decoded one batch, and they never met
        return sum(batch.audio_s for worker in workers for batch in worker) / (
            max(worker[-1].ended_s for worker in workers) - min(worker[0].began_s for worker in workers)
        )
    audio_s = 0.0
    for batch in (batch for worker in workers for batch in worker):
        start_s = batch.began_s - batch.waited_s
        within_s = min(batch.ended_s, ended_s) - max(start_s, began_s)
        audio_s += batch.audio_s * max(0.0, within_s) / (batch.ended_s - start_s)
    return audio_s / (ended_s - began_s)


def single_cells(
    model: str, encoders: Sequence[EncoderName], poolings: Sequence[int], batch_sizes: Iterable[int]
) -> list[Cell]:
    """List the cells of one worker, small batches first: where time ends, every encoder has been compared.

    A size begins with the encoder that the last one ended with, which need not be loaded again.
    """
    return [
        Cell(model=model, encoder=encoder, pooling=pooling, batch_size=batch_size)
        for place, batch_size in enumerate(sorted(batch_sizes))
        for encoder, pooling in product(encoders[:: -1 if place % 2 else 1], poolings)
    ]


def shared_cells(measured: Iterable[Measurement], n_workers: int) -> list[Cell]:
    """List the cells of several workers, those first that were fastest with one."""
    alone = [one for one in measured if one.outcome is Outcome.MEASURED and one.cell.n_workers == 1]
    alone.sort(key=lambda one: -one.speed)
    return [replace(one.cell, n_workers=n_workers) for one in alone]


def fed_cell(cell: Cell) -> Cell:
    """Return the same with rows that are cut meanwhile."""
    return replace(cell, feed=Feed.SEGMENTERS)


def reason_to_skip(cell: Cell, measured: Mapping[Cell, Measurement], longest_batch_s: float) -> str:
    """Say why a cell need not be tried, from what smaller ones did; "" when it is to be tried.

    What did not fit does not fit with more rows or more workers either; a batch that would take longer than
    ``longest_batch_s`` is too slow.
    """
    for other, found in measured.items():
        same = other.model == cell.model and other.choice == cell.choice and other.feed == cell.feed
        smaller = other.batch_size <= cell.batch_size and other.n_workers <= cell.n_workers and other != cell
        if not same or not smaller:
            continue
        workers = f"{other.n_workers} workers" if other.n_workers > 1 else "one worker"
        if found.outcome is Outcome.OUT_OF_MEMORY:
            return f"out of memory with {other.batch_size} rows, {workers}"
        if found.outcome is Outcome.MEASURED:
            expected_s = found.batch_s * cell.batch_size / other.batch_size * cell.n_workers / other.n_workers
            if expected_s > longest_batch_s:
                return f"a batch would take about {expected_s:.0f} s"
    return ""
