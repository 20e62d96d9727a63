"""The dashboards in configs/ are those that the table of panels makes."""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest

from scripts.dashboards.drawing import Series, draw_row, marks, shown
from scripts.dashboards.grafana import WIDTH, render
from scripts.dashboards.legends import ENUMERATED, labels_of, named
from scripts.dashboards.panels import DASHBOARDS, Dashboard
from scripts.dashboards.units import is_known, steps, written

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


def every_panel() -> list[Any]:
    """All panels that Grafana is given, with the dashboard's name."""
    boards = [(dashboard.uid, json.loads(render(dashboard))["panels"]) for dashboard in DASHBOARDS]
    return [
        pytest.param(panel, id=f"{uid}: {panel['title']}")
        for uid, panels in boards
        for panel in panels
        if panel["type"] != "row"
    ]


@pytest.mark.parametrize("panel", every_panel())
def test_panels_are_for_people(panel: dict[str, Any]) -> None:
    """A title and a sentence in words, a unit that people know, a word where there is nothing, legends in words."""
    assert re.fullmatch(r"[A-Z][a-zA-Z :,()-]*[0-9]*[a-zA-Z :,()-]*", panel["title"])
    assert panel["description"].endswith(".")
    assert len(panel["description"].split()) >= 4
    defaults = panel["fieldConfig"]["defaults"]
    assert is_known(defaults["unit"])
    assert defaults["noValue"] == "none"
    for target in panel["targets"]:
        legend = target["legendFormat"]
        assert legend  # Grafana shows the whole series, metric and labels, for an empty one
        assert "_" not in re.sub(r"\{\{\w+\}\}", "", legend)
        assert legend != "__auto"
    codes = any(labels_of(target["legendFormat"]) & ENUMERATED for target in panel["targets"])
    assert codes == any(step["id"] == "renameByRegex" for step in panel.get("transformations", ()))


@pytest.mark.parametrize("panel", every_panel())
def test_legends_name_labels_that_the_query_keeps(panel: dict[str, Any]) -> None:
    """A label that an aggregation drops leaves a hole in the legend."""
    for target in panel["targets"]:
        for label in labels_of(target["legendFormat"]):
            kept = re.findall(r"by \(([^)]*)\)", target["expr"])
            assert all(label in re.split(r",\s*", names) for names in kept), target
            assert kept or "sum(" not in target["expr"], target


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0134, "s", "13.4 ms"), (7.25, "s", "7.25 s"), (90.0, "s", "1.5 min"), (0.0, "s", "0 s"),
        (7200.0, "s", "2 h"),
        (0.354, "percentunit", "35.4 %"), (99.3, "percent", "99.3 %"), (0.15, "cps", "0.15 c/s"),
        (524288000.0, "bytes", "500 MiB"), (51_000.0, "Bps", "51 kB/s"), (0.0, "bytes", "0 B"),
        (0.5, "currencyUSD", "$0.50"), (21.4, "suffix:×", "21.4×"), (3.0, "short", "3"), (1.0, "bool_yes_no", "yes"),
        (2.5, "reqps", "2.5 req/s"), (12345.0, "short", "12345"),
    ],
)  # fmt: skip
def test_values_are_written_with_their_units(value: float, unit: str, text: str) -> None:
    """As Grafana writes them, in at most three digits."""
    assert written(value, unit) == text


@pytest.mark.parametrize(
    ("highest", "unit", "marks"),
    [
        (6.0, "short", [0, 2, 4, 6]), (1.0, "short", [0, 1]), (100.0, "percent", [0, 25, 50, 75, 100]),
        (0.016, "percentunit", [0, 0.005, 0.01, 0.015]), (90.0, "s", [0, 30, 60, 90]),
        (500 * 2**20, "bytes", [0, 128 * 2**20, 256 * 2**20, 384 * 2**20]), (1.0, "bool_on_off", [0, 1]),
    ],
)  # fmt: skip
def test_axes_have_round_marks(highest: float, unit: str, marks: list[float]) -> None:
    """Whole ones for counts, those of the unit that is shown: minutes of a minute, MiB by powers of two."""
    assert steps(highest, unit) == pytest.approx(marks)


def test_series_are_named_in_words() -> None:
    """Words of the code lose their underscores, names that somebody chose keep them."""
    assert named("{{actor}}: {{operation}}", {"actor": "minutes_writer", "operation": "put"}) == "minutes writer: put"
    assert named("{{model}}", {"model": "my_model"}) == "my_model"
    assert named("{{model}}, {{device}}", {"model": "mini-en"}) == "mini-en, "


def test_pictures_leave_out_what_is_idle() -> None:
    """Lines that are 0 throughout take no place in a legend, and a panel without others says that there is none."""
    idle = Series(name="failed", times_s=(0.0, 1.0), values=(0.0, math.nan))
    busy = Series(name="succeeded", times_s=(0.0, 1.0), values=(0.0, 0.5))
    panels = [panel for _, row in DASHBOARDS[0].rows for panel in row]
    first = next(panel for panel in panels if panel.unit == "cps")
    assert shown(first, [idle, busy]) == [busy]
    assert shown(first, [idle]) == []
    reached = next(panel for panel in panels if panel.unit == "bool_yes_no")
    assert shown(reached, [idle]) == [idle]  # "no" is what people want to know


def test_rows_are_drawn(tmp_path: Path) -> None:
    """Graphs, graphs without anything, numbers and names, into one picture."""
    busy = Series(name="a name", times_s=(0.0, 1.0), values=(math.nan, 0.5))
    for place, (_, row) in enumerate(DASHBOARDS[0].rows):
        path = tmp_path / f"{place}.png"
        draw_row(row, [[busy], *([] for _ in row[1:])], (0.0, 1.0), path)
        assert path.read_bytes().startswith(b"\x89PNG")


def test_times_are_marked_at_round_minutes() -> None:
    """Six at most, whatever the span: a short one is not left with a single one."""
    assert marks((60.0 * 1.5, 60.0 * 8.5)) == [120.0, 240.0, 360.0, 480.0]
    assert marks((0.0, 3600.0)) == [600.0 * index for index in range(7)]
