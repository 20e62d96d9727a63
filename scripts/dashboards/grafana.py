"""Dashboards as the JSON that Grafana provisions."""

import json
from typing import Any

from scripts.dashboards.legends import ENUMERATED, labels_of
from scripts.dashboards.panels import NONE, Dashboard, Panel

WIDTH = 24  # of Grafana's grid
_GRAPH = {
    "tooltip": {"mode": "multi", "sort": "desc"},
    "legend": {"showLegend": True, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
}
_STAT = {"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none", "graphMode": "none"}
SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def render(dashboard: Dashboard) -> str:
    """Render the dashboard as JSON; the same table always gives the same text."""
    panels: list[dict[str, Any]] = []
    y = 0
    for heading, row in dashboard.rows:
        panels.append({"type": "row", "title": heading, "id": len(panels) + 1, "gridPos": _place(0, y, WIDTH, 1)})
        y += 1
        small = all(panel.kind != "timeseries" for panel in row)
        width, height = (WIDTH // len(row), 4) if small else (WIDTH // 2, 8)
        x = 0
        for panel in row:
            if x + width > WIDTH:
                x, y = 0, y + height
            panels.append(_panel(panel, len(panels) + 1, _place(x, y, width, height)))
            x += width
        y += height
    board = {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "tags": ["meetmemo"],
        "schemaVersion": 39,
        "editable": False,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "templating": {
            "list": [{"name": "datasource", "type": "datasource", "query": "prometheus", "label": "Source"}]
        },
        "panels": panels,
    }
    return json.dumps(board, indent=2, ensure_ascii=False) + "\n"


def _panel(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    graph = panel.kind == "timeseries"
    defaults: dict[str, Any] = {"unit": panel.unit, "min": 0, "noValue": NONE}
    if panel.unit in ("percent", "percentunit") and graph:
        defaults["decimals"] = 1
    body: dict[str, Any] = {
        "type": "timeseries" if graph else "stat",
        "title": panel.title,
        "description": panel.description,
        "id": number,
        "datasource": SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": _GRAPH if graph else _STAT | {"textMode": "name" if panel.kind == "name" else "auto"},
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": SOURCE,
                "expr": expr,
                "legendFormat": legend,
                "instant": not graph,
            }
            for place, (legend, expr) in enumerate(panel.queries)
        ],
    }
    if any(labels_of(legend) & ENUMERATED for legend, _ in panel.queries):
        body["transformations"] = [{"id": "renameByRegex", "options": {"regex": "/_/g", "renamePattern": " "}}]
    return body


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}
