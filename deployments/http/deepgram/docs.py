"""The OpenAPI document's part about Deepgram's dialect."""

from typing import Any

from deployments.http.deepgram.forms import ListenSource
from deployments.http.deepgram.query import ListenQuery
from deployments.http.openapi import BINARY
from deployments.schemas.json_schema import schema_of

LISTEN_DESCRIPTION = """
Transcribes a recording as Deepgram's API for recordings does; its official clients work with
`<this server>/deepgram` as their base URL. The recording is the body, or JSON names its `url`. It becomes a job like
any other: its id is `request_id` and in `dg-request-id`, and `/v1/jobs/{id}` shows it. The request waits for the text;
with `callback` it is answered at once, and the text is posted to that URL, signed as every webhook is.

Parameters that are not supported are refused by name; one that is off (`false` or empty) is as good as left out. With
an `Idempotency-Key` the same request sent again waits for the same job.
"""


def listen_openapi() -> dict[str, Any]:
    """Return the parameters and bodies of ``POST /deepgram/v1/listen``."""
    query = [
        {
            "name": name,
            "in": "query",
            "description": schema.get("description", ""),
            "schema": {key: value for key, value in schema.items() if key not in ("title", "description")},
        }
        for name, schema in schema_of(ListenQuery)["properties"].items()
    ]
    source = schema_of(ListenSource)
    source["examples"] = [{"url": "https://example.org/meeting.mp3"}]
    return {
        "parameters": query,
        "requestBody": {
            "required": True,
            "content": {
                "application/json": {"schema": source},
                "application/octet-stream": {"schema": BINARY},
                "audio/*": {"schema": BINARY},
                "video/*": {"schema": BINARY},
            },
        },
    }
