"""JSON schemas of models, made once: an application describes some of them for many routes."""

import json
from functools import cache
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import DEFAULT_REF_TEMPLATE


def schema_of(model: type[BaseModel], ref_template: str = DEFAULT_REF_TEMPLATE) -> dict[str, Any]:
    """Return the model's JSON schema (2020-12), as an object of the caller's own."""
    schema: dict[str, Any] = json.loads(_schema_text(model, ref_template))
    return schema


@cache
def _schema_text(model: type[BaseModel], ref_template: str) -> str:
    return json.dumps(model.model_json_schema(ref_template=ref_template))
