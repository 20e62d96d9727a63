"""Pictures of the dashboards' panels from what a Prometheus holds, for documentation where no Grafana is at hand."""

import re
from datetime import datetime
from pathlib import Path
from typing import Any

import httpx

from scripts.dashboards.panels import Dashboard, Panel

COLUMNS = 3
STEPS = 240


def draw(dashboard: Dashboard, prometheus: str, start_s: float, end_s: float, path: Path) -> None:
    """Draw a dashboard's graphs over a time (Unix seconds) into one PNG; panels of single numbers are left out."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    panels = [panel for _, row in dashboard.rows for panel in row if panel.kind == "timeseries"]
    n_rows = -(-len(panels) // COLUMNS)
    figure, axes = plt.subplots(n_rows, COLUMNS, figsize=(6 * COLUMNS, 2.9 * n_rows), squeeze=False)
    for axis in axes.flat[len(panels) :]:
        axis.set_axis_off()
    for panel, axis in zip(panels, axes.flat, strict=False):
        _panel(panel, axis, prometheus, start_s, end_s)
    figure.suptitle(dashboard.title)
    figure.tight_layout()
    figure.savefig(path, dpi=70)
    plt.close(figure)


def _panel(panel: Panel, axis: Any, prometheus: str, start_s: float, end_s: float) -> None:
    from matplotlib.dates import DateFormatter

    for legend, expr in panel.queries:
        params = {"query": expr, "start": start_s, "end": end_s, "step": max(1.0, (end_s - start_s) / STEPS)}
        answer = httpx.get(f"{prometheus}/api/v1/query_range", params=params, timeout=60)
        answer.raise_for_status()
        for series in answer.json()["data"]["result"]:
            name = re.sub(r"\{\{(\w+)\}\}", lambda label, of=series["metric"]: of.get(label[1], ""), legend)
            times = [datetime.fromtimestamp(float(at)) for at, _ in series["values"]]
            axis.plot(times, [float(value) for _, value in series["values"]], label=name, linewidth=1)
    axis.set_title(f"{panel.title} [{panel.unit}]", fontsize=9)
    axis.xaxis.set_major_formatter(DateFormatter("%H:%M"))
    axis.tick_params(labelsize=7)
    axis.set_ylim(bottom=0)
    axis.grid(alpha=0.3)
    if axis.lines:
        axis.legend(fontsize=6, loc="upper left")
