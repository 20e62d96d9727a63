"""Which settings the measurements speak for. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil, floor

from pipelines.models.devices import DeviceKind
from pipelines.whisper.batch_size_probe import NEARLY
from scripts.gpu_bench.cells import Cell, Feed, Measurement, Outcome

_GIB = 1 << 30


@dataclass(frozen=True, kw_only=True)
class Advice:
    """What to set for a model; ``alone`` is the row it rests on, ``fed`` that with recordings cut meanwhile.

    ``n_segmenters``: processes that cut fast enough for one such device; 0 where that was not measured.
    """

    alone: Measurement
    device: DeviceKind
    compute_type: str
    fed: Measurement | None = None
    n_segmenters: int = 0

    @property
    def settings(self) -> dict[str, str | int | float]:
        """One entry of ``models``, as `cluster.settings.sections.ModelSettings` names its fields."""
        cell = self.alone.cell
        replicas = (
            {"gpus_per_replica": share_of_device(cell.n_workers)}
            if self.device == "cuda"
            else {"max_replicas": cell.n_workers}
        )
        return {
            "name": cell.model,
            "device": self.device,
            "compute_type": self.compute_type,
            "encoder": cell.encoder,
            "encoder_pooling": cell.pooling,
            "batch_size": cell.batch_size,
            **replicas,
        }

    @property
    def n_cores(self) -> int:
        """Cores of a machine with one such device, of which the cluster gives every other one a Segmenter."""
        return 2 * self.n_segmenters


def share_of_device(n_workers: int) -> float:
    """Return ``gpus_per_replica`` for so many replicas on one device; rounded down, so that all of them fit."""
    return floor(10_000 / n_workers) / 10_000


def best(measured: Iterable[Measurement]) -> Measurement | None:
    """Return the most modest row with ready rows among those that are nearly as fast as the fastest; None without any.

    Modest is first a single process, then an encoder output that is not averaged, then few rows (jobs wait for whole
    batches), then CTranslate2's encoder, which needs no second copy of its weights.
    """
    rows = [one for one in measured if one.outcome is Outcome.MEASURED and one.cell.feed is Feed.ROWS]
    if not rows:
        return None
    fastest = max(one.speed for one in rows)
    return min((one for one in rows if one.speed >= NEARLY * fastest), key=lambda one: _immodesty(one.cell))


def _immodesty(cell: Cell) -> tuple[int, int, int, bool]:
    return cell.n_workers, cell.pooling, cell.batch_size, cell.encoder != "ctranslate2"


def advise(model: str, measured: Sequence[Measurement], device: DeviceKind, compute_type: str) -> Advice | None:
    """Say what to set for a model; None where nothing of it was measured."""
    rows = [one for one in measured if one.cell.model == model]
    alone = best(rows)
    if alone is None:
        return None
    fed = next((one for one in rows if one.cell.feed is Feed.SEGMENTERS and one.outcome is Outcome.MEASURED), None)
    n_segmenters = ceil(alone.speed / fed.segmenter_speed) if fed and fed.segmenter_speed else 0
    return Advice(alone=alone, device=device, compute_type=compute_type, fed=fed, n_segmenters=n_segmenters)


def explain(advice: Advice, n_cores: int) -> list[str]:
    """Return sentences about a recommendation, for a machine with ``n_cores``."""
    alone, fed = advice.alone, advice.fed
    cell = alone.cell
    said = [f"{alone.speed:.0f} audio seconds per second with ready rows, {alone.batch_s:.1f} s a batch."]
    if alone.memory_bytes is not None:
        said.append(f"{alone.memory_bytes / _GIB:.1f} GiB of the device's memory at most.")
    if cell.n_workers > 1:
        said.append(f"{cell.n_workers} replicas share one device, each with its own copy of the model.")
    if cell.pooling > 1:
        said.append(
            "Random weights do not tell what pooling costs in words: encoder 'auto' and encoder_pooling 0 have a "
            "replica find out with the real ones, by errors heard."
        )
    if fed is None or not advice.n_segmenters:
        said.append("How many Segmenters it takes was not measured.")
        return said
    said.append(
        f"Segmenters: {advice.n_segmenters} for each such device (one cuts {fed.segmenter_speed:.0f} audio seconds per "
        f"second). The cluster starts up to one for every two cores: {advice.n_cores} cores beside each device, and "
        f"here are {n_cores}."
    )
    waited = fed.waited or 0.0
    fed_by = f"{fed.n_segmenters} of them fed it {fed.speed:.0f} audio seconds per second"
    if waited > 1 - NEARLY:
        said.append(f"{fed_by}; it waited for rows {100 * waited:.0f} % of the time: these cores cannot feed it.")
    else:
        said.append(f"{fed_by}, and it hardly waited.")
    return said
