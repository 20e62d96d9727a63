"""Pictures of the dashboards' panels from what a Prometheus holds, for documentation where no Grafana is at hand.

A picture for each row of a dashboard, two graphs beside each other as in Grafana, wide enough for a page of
documentation: letters are as large there as the page's own.
"""

import math
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from scripts.dashboards.legends import named
from scripts.dashboards.panels import NONE, Dashboard, Panel
from scripts.dashboards.units import is_whole, steps, written

COLUMNS = 2
STEPS = 240
WIDTH_INCHES = 10.0
DOTS_PER_INCH = 100
GRAPH_INCHES = 2.1
LEGEND_LINE_INCHES = 0.2
STAT_INCHES = 1.1
MAX_LEGENDS = 8
TIME_STEPS_S = (60.0, 120.0, 300.0, 600.0, 1800.0, 3600.0, 7200.0, 14400.0, 43200.0, 86400.0)
TITLE_POINTS, TEXT_POINTS = 11, 9


@dataclass(frozen=True, kw_only=True)
class Series:
    """A line of a graph: its legend, and values at Unix seconds."""

    name: str
    times_s: tuple[float, ...]
    values: tuple[float, ...]

    @property
    def is_idle(self) -> bool:
        """Whether nothing happened in it."""
        return not any(value for value in self.values if not math.isnan(value))


def picture_name(dashboard: Dashboard, heading: str) -> str:
    """Return the file name of a row's picture."""
    return f"{dashboard.uid}-{re.sub(r'[^a-z]+', '-', heading.lower())}.png"


def draw(dashboard: Dashboard, prometheus: str, start_s: float, end_s: float, folder: Path) -> list[Path]:
    """Draw each row of a dashboard over a time (Unix seconds) into a PNG of its own; return their paths."""
    paths = []
    for heading, row in dashboard.rows:
        series = [_series(panel, prometheus, start_s, end_s) for panel in row]
        paths.append(folder / picture_name(dashboard, heading))
        draw_row(row, series, (start_s, end_s), paths[-1])
    return paths


def draw_row(
    panels: Sequence[Panel], series: Sequence[Sequence[Series]], span_s: tuple[float, float], path: Path
) -> None:
    """Draw panels with their series over a span of Unix seconds."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    graphs = [(panel, shown(panel, lines)) for panel, lines in zip(panels, series, strict=True) if _is_graph(panel)]
    stats = [(panel, lines) for panel, lines in zip(panels, series, strict=True) if not _is_graph(panel)]
    rows = [graphs[at : at + COLUMNS] for at in range(0, len(graphs), COLUMNS)]
    legend_lines = [max(len(lines) for _, lines in row) for row in rows]
    heights = [GRAPH_INCHES + 0.5 + LEGEND_LINE_INCHES * n for n in legend_lines] + [STAT_INCHES] * bool(stats)
    figure = plt.figure(figsize=(WIDTH_INCHES, sum(heights)), dpi=DOTS_PER_INCH)
    top = sum(heights)
    for row, height in zip(rows, heights, strict=False):
        for column, (panel, lines) in enumerate(row):
            left, bottom = (column + 0.15) / COLUMNS, top - 0.35 - GRAPH_INCHES + 0.25
            box = (left, bottom / sum(heights), 0.82 / COLUMNS, (GRAPH_INCHES - 0.25) / sum(heights))
            _graph(panel, lines, figure.add_axes(box), span_s)
        top -= height
    for column, (panel, lines) in enumerate(stats):
        box = (column / len(stats), 0.0, 1 / len(stats), STAT_INCHES / sum(heights))
        _stat(panel, lines, figure.add_axes(box))
    figure.savefig(path)
    plt.close(figure)


def _is_graph(panel: Panel) -> bool:
    return panel.kind == "timeseries"


def shown(panel: Panel, lines: Sequence[Series]) -> list[Series]:
    """Return the lines that say something: those that are not idle, the largest if there are many."""
    if panel.unit.startswith("bool"):
        return list(lines)
    busy = [line for line in lines if not line.is_idle]
    largest = sorted(busy, key=lambda line: -max(value for value in line.values if not math.isnan(value)))
    return [line for line in busy if line in largest[:MAX_LEGENDS]]


def _graph(panel: Panel, lines: Sequence[Series], axis: Any, span_s: tuple[float, float]) -> None:
    from matplotlib.dates import DateFormatter, date2num
    from matplotlib.ticker import FixedLocator, FuncFormatter

    axis.set_title(panel.title, fontsize=TITLE_POINTS, loc="left", fontweight="bold")
    axis.set_xlim(*(datetime.fromtimestamp(at_s) for at_s in span_s))
    for index, line in enumerate(lines):
        times = [datetime.fromtimestamp(at_s) for at_s in line.times_s]
        label = f"{line.name}, last: {written(_last(line), panel.unit)}"
        axis.plot(times, line.values, label=label, linewidth=1.6, linestyle="--" if index == 1 else "-")
    for side in ("top", "right"):
        axis.spines[side].set_visible(False)
    axis.tick_params(labelsize=TEXT_POINTS)
    axis.grid(alpha=0.3)
    axis.xaxis.set_major_locator(FixedLocator([date2num(datetime.fromtimestamp(at_s)) for at_s in marks(span_s)]))
    axis.xaxis.set_major_formatter(DateFormatter("%H:%M"))
    if not lines:
        axis.set_yticks([])
        axis.text(0.5, 0.5, NONE, transform=axis.transAxes, ha="center", va="center", fontsize=14, color="0.45")
        return
    highest = max(value for line in lines for value in line.values if not math.isnan(value))
    if is_whole(panel.unit) or panel.unit == "percent":
        highest = max(highest, 100.0 if panel.unit == "percent" else 1.0)
    axis.set_ylim(bottom=0, top=highest * 1.08)
    axis.yaxis.set_major_locator(FixedLocator(steps(highest, panel.unit)))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: written(value, panel.unit)))
    axis.legend(
        fontsize=TEXT_POINTS, loc="upper left", bbox_to_anchor=(-0.16, -0.14), frameon=False, labelspacing=0.25,
        handlelength=1.2, borderpad=0,
    )  # fmt: skip


def _stat(panel: Panel, lines: Sequence[Series], axis: Any) -> None:
    axis.set_axis_off()
    named_only = panel.kind == "name"
    parts = [line.name if named_only else written(_last(line), panel.unit) for line in lines]
    text = ", ".join(dict.fromkeys(parts)) or NONE
    axis.text(0.06, 0.85, panel.title, fontsize=TITLE_POINTS, fontweight="bold", va="top")
    axis.text(0.06, 0.5, textwrap.fill(text, 28), fontsize=14 if len(text) < 20 else TITLE_POINTS, va="top")


def marks(span_s: tuple[float, float]) -> list[float]:
    """Return round times within a span of Unix seconds, six at most."""
    start_s, end_s = span_s
    step_s = next((step_s for step_s in TIME_STEPS_S if (end_s - start_s) / step_s <= 6), TIME_STEPS_S[-1])
    first = math.ceil(start_s / step_s)
    return [index * step_s for index in range(first, math.floor(end_s / step_s) + 1)]


def _last(line: Series) -> float:
    return next((value for value in reversed(line.values) if not math.isnan(value)), 0.0)


def _series(panel: Panel, prometheus: str, start_s: float, end_s: float) -> list[Series]:
    found = []
    for legend, expr in panel.queries:
        params = {"query": expr, "start": start_s, "end": end_s, "step": max(1.0, (end_s - start_s) / STEPS)}
        answer = httpx.get(f"{prometheus}/api/v1/query_range", params=params, timeout=60)
        answer.raise_for_status()
        for one in answer.json()["data"]["result"]:
            times, values = zip(*one["values"], strict=True)
            found.append(
                Series(
                    name=named(legend, one["metric"]),
                    times_s=tuple(map(float, times)),
                    values=tuple(map(float, values)),
                )
            )
    return found
