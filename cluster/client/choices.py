"""Options that the endpoint would refuse, found before a recording is uploaded."""

from collections.abc import Mapping
from typing import Any

from cluster.client.http import Client
from deployments.schemas.options import Options
from pipelines.errors import refused_option
from pipelines.export.templating.tenant_styles import is_text


async def check_choices(client: Client, options: Mapping[str, Any]) -> None:
    """Raise `InvalidOptions` for an option, a model or a template that the endpoint does not have.

    The forms of values were checked before, without an endpoint; names that are no options are left to it.
    """
    schemas: Mapping[str, Mapping[str, Any]] = (await client.choices())["options"]
    for name, value in options.items():
        if name not in Options.model_fields or value in ("", None):
            continue
        if name not in schemas:
            raise refused_option(name, "this cluster does not offer it")
        if complaint := _complaint(name, value, schemas[name]):
            raise refused_option(name, complaint)


def _complaint(name: str, value: Any, schema: Mapping[str, Any]) -> str:
    if name == "minutes_template" and not is_text(value) and value not in schema["examples"]:
        return f"there is no template {value!r}; there are: {', '.join(schema['examples']) or 'none'}"
    if name == "model" and value not in schema["enum"]:
        return f"this cluster has no model {value!r}; there are: {', '.join(schema['enum'])}"
    if name == "minutes" and value not in schema["enum"]:
        return f"this cluster has no {value!r}; there are: {', '.join(schema['enum'])}"
    return ""
