"""Sidecars: ``call.json`` or ``call.wav.json`` beside ``call.wav`` says what it is and how to transcribe it.

Without a mapping the names in it are those of the API. With one, its left sides are the only names that are read:
recording systems write much besides, which is not for us. A right side ``metadata.queue`` is the name ``queue`` there.
"""

import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any

from pipelines.errors import InvalidSidecar

MAX_SIDECAR_BYTES = 64 << 10
_METADATA = "metadata."


def sidecar_names(recording: str) -> tuple[str, ...]:
    """Return names of the sidecars that a recording may have, the one that counts first."""
    path = PurePosixPath(recording)
    return f"{recording}.json", str(path.with_suffix(".json"))


def read_sidecar(data: bytes, fields: Mapping[str, str]) -> dict[str, Any]:
    """Return what a sidecar says, by the API's names; raises `InvalidSidecar`. Values are not looked at."""
    if len(data) > MAX_SIDECAR_BYTES:
        raise InvalidSidecar(f"The sidecar has more than {MAX_SIDECAR_BYTES} bytes.")
    try:
        given = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidSidecar(f"The sidecar is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise InvalidSidecar("The sidecar holds no JSON object.")
    if not fields:
        return given
    values: dict[str, Any] = {}
    for theirs, ours in fields.items():
        value = given.get(theirs)
        if value is None or value == "":
            continue
        if ours.startswith(_METADATA):
            values.setdefault("metadata", {})[ours.removeprefix(_METADATA)] = _text(value)
        else:
            values[ours] = _text(value) if ours == "external_id" else value
    return values


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
