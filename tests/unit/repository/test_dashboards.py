"""The dashboards in configs/ are those that the table of panels makes."""

import json
from pathlib import Path

import pytest

from scripts.dashboards.grafana import WIDTH, render
from scripts.dashboards.panels import DASHBOARDS, Dashboard

FOLDER = Path(__file__).parents[3] / "configs" / "grafana" / "dashboards"


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_files_follow_the_table(dashboard: Dashboard) -> None:
    """``scripts/make-dashboards`` was run after the last change of the table."""
    assert (FOLDER / f"{dashboard.uid}.json").read_text() == render(dashboard)


def test_there_are_no_other_dashboards() -> None:
    """No file is left of a dashboard that the table has no more."""
    assert {path.stem for path in FOLDER.iterdir()} == {dashboard.uid for dashboard in DASHBOARDS}


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_panels_do_not_overlap(dashboard: Dashboard) -> None:
    """Every cell of the grid belongs to one panel at most, ids are unique, and no panel leaves the grid."""
    panels = json.loads(render(dashboard))["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    cells = [
        (place["x"] + x, place["y"] + y)
        for panel in panels
        for place in [panel["gridPos"]]
        for x in range(place["w"])
        for y in range(place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < WIDTH
