"""Puts the form of MeetMemo's settings into the schema of the chart's values."""

import json
from typing import Any

from cluster.settings.settings import Settings

DERIVED = ("ledger_url", "store_url", "deepseek_api_key")
"""Settings that the chart fills from other values, or that are a secret."""

_OWN = ("quantity", "resources")


def with_settings(schema: str) -> str:
    """Return ``values.schema.json`` with the settings' current form in place of the earlier one."""
    values: dict[str, Any] = json.loads(schema)
    settings = Settings.model_json_schema()
    kept = {name: form for name, form in settings["properties"].items() if name not in DERIVED}
    values["properties"]["settings"] = _untitled(settings | {"properties": kept, "$defs": None})
    values["$defs"] = {name: values["$defs"][name] for name in _OWN} | _untitled(settings["$defs"])
    return json.dumps(values, indent=1, ensure_ascii=False) + "\n"


def _untitled(form: Any) -> Any:
    """Drop pydantic's titles, which repeat the names, and formats that are not JSON Schema's."""
    if isinstance(form, list):
        return [_untitled(part) for part in form]
    if not isinstance(form, dict):
        return form
    return {
        key: _untitled(part)
        for key, part in form.items()
        if part is not None and not (key in ("title", "format") and isinstance(part, str))
    }
