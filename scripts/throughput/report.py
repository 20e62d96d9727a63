"""Measured runs as lines, a table of medians and a plot."""

import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from pipelines.models.devices import find_devices
from scripts.hearing.alignment import Errors, align, words_of
from scripts.throughput.mixes import LANGUAGE, Recording

_COLUMNS = ("mix", "beam", "arm", "× real time", "× per core", "cores busy", "WER", "peak MB", "p50 s", "p95 s", "ours")

_LEAST_MS = 0.05
"""Per second of audio: parts that take less are left out of the table."""


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One arm on one mix in one round. ``wer`` is a share of the words, ``busy`` of the cores' time.

    ``parts_s`` are the processor seconds by the part that spent them.
    """

    mix: str
    arm: str
    beam: int
    number: int
    audio_s: float
    wall_s: float
    cpu_s: float
    busy: float
    peak_pss_mb: float
    wer: float | None
    p50_s: float
    p95_s: float
    parts_s: dict[str, float]

    @classmethod
    def of(
        cls,
        mix: str,
        arm: str,
        beam: int,
        number: int,
        cores: int,
        recordings: Sequence[Recording],
        answer: dict[str, Any],
    ) -> "Measured":
        """Compute the measurements from a worker's answer."""
        after_s = sorted(answer["after_s"])
        cuts = quantiles(after_s, n=20) if len(after_s) > 1 else after_s * 19
        return cls(
            mix=mix,
            arm=arm,
            beam=beam,
            number=number,
            audio_s=sum(recording.duration_s for recording in recordings),
            wall_s=answer["wall_s"],
            cpu_s=answer["cpu_s"],
            busy=answer["cpu_s"] / answer["wall_s"] / cores,
            peak_pss_mb=answer["peak_pss_mb"],
            wer=_word_error_rate(recordings, answer["texts"]),
            p50_s=median(after_s),
            p95_s=cuts[-1],
            parts_s=answer["parts_s"],
        )

    @property
    def speed(self) -> float:
        """Audio seconds per wall second."""
        return self.audio_s / self.wall_s

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def line(self) -> str:
        """Return a line of progress for the terminal."""
        wer = "-" if self.wer is None else f"{100 * self.wer:.1f} %"
        return (
            f"  round {self.number + 1} {self.arm:<14} beam {self.beam}: {self.speed:6.1f} × real time, "
            f"{self.wall_s:.1f} s, {100 * self.busy:.0f} % busy, {self.peak_pss_mb:.0f} MB, WER {wer}"
        )


def run_record(script: str, cores: int) -> dict[str, Any]:
    """Say when, on which machine and by which command something was measured."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{cores} cores of {find_devices()[-1].name}, {platform.machine()}",
        "command": " ".join([f"scripts/{script}", *sys.argv[1:]]),
    }


def table(measured: Sequence[Measured]) -> str:
    """Format medians over the rounds as Markdown; the last column compares with the cluster, round by round."""
    lines = ["| " + " | ".join(_COLUMNS) + " |", "|" + "---|" * len(_COLUMNS)]
    groups: dict[tuple[str, int, str], list[Measured]] = {}
    for one in measured:
        groups.setdefault((one.mix, one.beam, one.arm), []).append(one)
    for (mix, beam, arm), runs in groups.items():
        ours = {one.number: one.speed for one in groups.get((mix, beam, "cluster"), [])}
        ratios = [ours[one.number] / one.speed for one in runs if one.number in ours]
        wer = [one.wer for one in runs if one.wer is not None]
        cells = (
            mix,
            str(beam),
            arm,
            f"{median(one.speed for one in runs):.1f}",
            f"{median(one.audio_s / one.cpu_s for one in runs):.1f}",
            f"{100 * median(one.busy for one in runs):.0f} %",
            f"{100 * median(wer):.1f} %" if wer else "–",
            f"{max(one.peak_pss_mb for one in runs):.0f}",
            _seconds(median(one.p50_s for one in runs)),
            _seconds(median(one.p95_s for one in runs)),
            f"{median(ratios):.2f} ×" if ratios else "–",
        )
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def parts_table(measured: Sequence[Measured]) -> str:
    """Format the cluster's processor time by part, in ms per second of audio, medians over the rounds, as Markdown."""
    groups: dict[tuple[str, int], list[Measured]] = {}
    for one in measured:
        if one.arm == "cluster":
            groups.setdefault((one.mix, one.beam), []).append(one)
    per_s = {
        group: {
            part: median(1000 * run.parts_s.get(part, 0) / run.audio_s for run in runs)
            for part in {part for run in runs for part in run.parts_s}
        }
        for group, runs in groups.items()
    }
    parts = sorted(
        {part for spent in per_s.values() for part, ms in spent.items() if ms >= _LEAST_MS},
        key=lambda part: -max(spent.get(part, 0) for spent in per_s.values()),
    )
    lines = [
        "| part | " + " | ".join(f"{mix}, beam {beam}" for mix, beam in per_s) + " |",
        "|---|" + "---|" * len(per_s),
    ]
    for part in parts:
        lines.append(f"| {part} | " + " | ".join(f"{spent.get(part, 0):.2f}" for spent in per_s.values()) + " |")
    sums = (sum(spent.values()) for spent in per_s.values())
    lines.append("| all | " + " | ".join(f"{total:.2f}" for total in sums) + " |")
    return "\n".join(lines)


def _seconds(seconds: float) -> str:
    return f"{seconds:.1f}" if seconds >= 10 else f"{seconds:.2f}"


def plot(measured: Sequence[Measured], path: Path) -> None:
    """Plot the median speed by mix and arm as bars."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    labels = list(dict.fromkeys((one.mix, one.beam) for one in measured))
    figure, axes = plt.subplots(1, len(labels), figsize=(5 * len(labels), 4), squeeze=False, layout="constrained")
    for axis, (mix, beam) in zip(axes[0], labels, strict=True):
        runs = [one for one in measured if (one.mix, one.beam) == (mix, beam)]
        arms = list(dict.fromkeys(one.arm for one in runs))
        speeds = [median(one.speed for one in runs if one.arm == arm) for arm in arms]
        order = sorted(range(len(arms)), key=lambda place: speeds[place])
        colours = ["#2f6f8f" if arms[place] in ("cluster", "engine") else "#b9b9b9" for place in order]
        bars = axis.barh([arms[place] for place in order], [speeds[place] for place in order], color=colours)
        axis.bar_label(bars, fmt="%.0f")
        axis.set_title(f"{mix}, beam {beam}")
        axis.set_xlabel("audio seconds per second")
        axis.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _word_error_rate(recordings: Sequence[Recording], texts: Sequence[str]) -> float | None:
    """Return the wrong words per true word over all files, normalized; None where an arm gives no text per file."""
    if len(texts) != len(recordings):
        return None
    errors = Errors()
    for recording, text in zip(recordings, texts, strict=True):
        errors += align(words_of(recording.text, LANGUAGE), words_of(text, LANGUAGE)).errors
    return errors.rate
