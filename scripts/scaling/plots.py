"""The plots of docs/scaling.md."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from scripts.scaling.capacity import Row
from scripts.scaling.check import Prediction
from scripts.scaling.costs import Measured
from scripts.scaling.queue_report import QueueRuns

_COLOURS = ("#2f6f8f", "#c8553d", "#588157", "#8d6a9f", "#b08900", "#7a7a7a", "#333333", "#d19fb0")
_BOUNDS = {
    "coordinator": "one Coordinator",
    "ledger": "the ledger",
    "segmenter": "one Segmenter core",
    "ingestion": "one Ingestion",
    "minutes writers": "one MinutesWriter",
    "store": "one store node",
}


def plot_queue(runs: QueueRuns, path: Path) -> None:
    """Plot throughput against the ideal by size, delay against paid time by policy."""
    figure, (left, right) = _axes()
    sizes = [scenario.replicas for scenario, _ in runs.steady]
    left.loglog(sizes, [0.9 * one.replicas * one.speed for one, _ in runs.steady], "--", label="asked for")
    left.loglog(sizes, [figures.throughput for _, figures in runs.steady], "o-", label="transcribed")
    left.set(xlabel="Transcribers", ylabel="audio s/s", title="One queue at a load of 0.9")
    left.legend(frameon=False)
    for scenario, figures in runs.slow:
        name = scenario.policy + (", with losses" if scenario.losses_per_hour else "")
        right.scatter(figures.replica_hours, figures.delay_p95_s, label=name)
    right.set(xlabel="Transcriber hours paid", ylabel="delay, 95th percentile (s)", title="A burst on up to 16")
    right.legend(frameon=False)
    _save(figure, path)


def plot_capacity(fed: Mapping[str, Sequence[Row]], single: Mapping[str, Sequence[Row]], path: Path) -> None:
    """Plot by shape what devices ask for, what each resource carries with one process of each, and what is done."""
    figure, axes = _axes(len(fed))
    for axis, (shape, rows) in zip(axes, fed.items(), strict=True):
        devices = [row.cluster.devices for row in rows]
        axis.loglog(devices, [row.asked for row in rows], "--", color="#999999", label="devices ask for")
        axis.loglog(devices, [row.flow.audio_s_per_s for row in rows], "o-", color="#111111", label="done, fed")
        alone = single[shape]
        for colour, (name, told) in zip(_COLOURS, _BOUNDS.items(), strict=False):
            most = alone[0].bounds[name]
            axis.axhline(most, color=colour, linewidth=1)
            place = {"xy": (1.02, most), "xycoords": ("axes fraction", "data"), "va": "center"}
            axis.annotate(told, color=colour, fontsize=8, **place)
        axis.set(xlabel="devices of the stated speed", ylabel="audio s/s", title=shape)
        axis.legend(loc="lower right", framealpha=1.0, edgecolor="white")
    _save(figure, path)


def plot_check(checked: Sequence[tuple[Measured, Sequence[Prediction]]], path: Path) -> None:
    """Plot how far predictions are off by figure, and the band within which they hold."""
    figure, (axis,) = _axes(1)
    axis.axvspan(-20, 20, color="#dddddd", label="± 20 %")
    for place, (run, predictions) in enumerate(checked):
        offs = [100 * one.off for one in predictions]
        axis.plot(offs, [one.what for one in predictions], "o", color=_COLOURS[place % len(_COLOURS)], label=run.label)
    axis.set(xlabel="predicted against measured (%)", title="Runs that no cost was taken from")
    axis.invert_yaxis()
    axis.legend(frameon=False, fontsize=8, loc="center left", bbox_to_anchor=(1.0, 0.5))
    _save(figure, path)


def _axes(n: int = 2) -> tuple[Any, Any]:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, n, figsize=(max(6.0, 5.5 * n), 4.2), layout="constrained", squeeze=False)
    for axis in axes[0]:
        axis.spines[["top", "right"]].set_visible(False)
    return figure, axes[0]


def _save(figure: Any, path: Path) -> None:
    import matplotlib.pyplot as plt

    figure.savefig(path, dpi=110)
    plt.close(figure)
