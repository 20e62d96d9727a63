"""The OpenAPI document: what the routes' types do not say, and problems instead of FastAPI's own errors."""

import copy
from typing import Any

from fastapi import FastAPI

from deployments.http.errors.dialects import dialect_of
from deployments.http.errors.documentation import documented
from deployments.http.errors.problems import MEDIA_TYPE
from deployments.schemas.json_schema import schema_of
from deployments.schemas.options import Options, Problem, SourceRequest
from deployments.schemas.references import ReferenceFields
from pipelines.errors import Reason

DESCRIPTION = """
Recordings in, transcripts and minutes out.

Send a recording to `POST /v1/jobs`, follow it with `GET /v1/jobs/{id}` or its events, fetch what it brought under
`results`. Every error is a problem document (RFC 9457) with an enumerated `reason`; 429, 503 and 507 say in
`Retry-After` when to come again.

Whatever the address, a request for a host that is not this server's may get 421 (`misdirected`), one that a web page of
another origin sent 403 (`cross_site`).
"""

TAGS = [
    {"name": "jobs", "description": "Recordings on their way to transcripts and minutes."},
    {"name": "results", "description": "What a job has brought."},
    {"name": "voices", "description": "Voices that are known by name, with their owners' consent."},
    {"name": "keeping", "description": "Who did what, what must stay, proof of what is gone."},
    {"name": "batches", "description": "Thousands of recordings as one."},
    {"name": "openai", "description": "The dialect of OpenAI's clients."},
    {"name": "deepgram", "description": "The dialect of Deepgram's clients, for recordings."},
    {"name": "assemblyai", "description": "The dialect of AssemblyAI's clients, for recordings."},
    {"name": "quarantine", "description": "Chunks that were given up, and decoding them again."},
    {"name": "deliveries", "description": "Webhooks and e-mails about jobs: their log, and telling it again."},
    {"name": "service", "description": "What this server offers and how it is."},
]

SUBMIT_DESCRIPTION = """
Accepts a recording in one of three forms, stores it durably and answers 202; transcription goes on by itself.

- **multipart/form-data**: the recording in the field `file`, options as form fields or as JSON in the field `options`;
- **the recording itself** as `audio/*`, `video/*` or `application/octet-stream`, its name in `X-Filename`
  (percent-encoded UTF-8) or `Content-Disposition`; samples without a container as `audio/L16`, `audio/PCMU`,
  `audio/PCMA`, `audio/basic` or `audio/pcm` (little-endian) with `rate` and `channels`;
- **application/json** with a `source` URL, which is pulled later, or with the id of an `upload`
  (`POST /v1/uploads/presigned`).

Options may also come as query parameters; each option at most once. The format is found by content, not by name.

With an `Idempotency-Key` a repeated request (same bytes or URL, same options) answers 200 with the job of the first and
`Idempotent-Replayed: true`; a different request under the same key is refused with 422, and one that comes while the
first is still being answered with 409 (`request_in_flight`): send it again after `Retry-After`. A first request that
died with its server holds its key for 15 seconds. Keys live as long as their job.

Without a key, a request that equals one whose job is under way (same bytes, options, reference) joins that job and is
answered in the same way: clients that repeat themselves do not have a recording decoded twice. A `source` is joined
until its job is begun. `reuse=false` or another `external_id` keeps requests apart. A job that requests share is
cancelled when each of them has cancelled it, or one with `everyone=true`.
"""

BINARY = {"type": "string", "format": "binary"}
_IDEMPOTENCY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "A name of the request, unique per tenant, that makes repeating it harmless.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}
_FILENAME = {
    "name": "X-Filename",
    "in": "header",
    "description": "Name of a recording sent as raw body, percent-encoded UTF-8.",
    "schema": {"type": "string", "maxLength": 255},
}


def _option_schemas() -> dict[str, Any]:
    schemas: dict[str, Any] = {
        **schema_of(Options)["properties"],
        **schema_of(ReferenceFields)["properties"],
    }
    schemas["metadata"] = {**schemas["metadata"], "contentMediaType": "application/json"}
    return schemas


def submit_openapi() -> dict[str, Any]:
    """Return the parameters and bodies of ``POST /v1/jobs``."""
    options = _option_schemas()
    filename = {"type": "string", "maxLength": 255, "description": "Name to show for the recording."}
    query = [
        {"name": name, "in": "query", "description": schema.get("description", ""), "schema": schema}
        for name, schema in {**options, "filename": filename}.items()
    ]
    form = {
        "type": "object",
        "required": ["file"],
        "additionalProperties": False,
        "properties": {
            "file": BINARY,
            "filename": filename,
            "options": {"type": "string", "description": "Options as a JSON object, instead of single fields."},
            **options,
        },
    }
    source = schema_of(SourceRequest)
    source["properties"]["options"] = {"$ref": "#/components/schemas/Options"}
    source["examples"] = [{"source": "https://example.org/meeting.mp3", "options": {"language": "en"}}]
    return {
        "parameters": [_IDEMPOTENCY, _FILENAME, *query],
        "requestBody": {
            "required": True,
            "content": {
                "multipart/form-data": {"schema": form},
                "application/json": {"schema": source},
                "application/octet-stream": {"schema": BINARY},
                "audio/*": {"schema": BINARY},
                "video/*": {"schema": BINARY},
            },
        },
    }


def binary_body(media_type: str = "application/octet-stream") -> dict[str, Any]:
    """Return ``openapi_extra`` of a route whose body is bytes."""
    return {"requestBody": {"required": True, "content": {media_type: {"schema": BINARY}}}}


def binary_answer(description: str, *media_types: str) -> dict[str, Any]:
    """Return the 200 of a route that answers with bytes."""
    return {"content": {media_type: {"schema": BINARY} for media_type in media_types}, "description": description}


def event_stream(*names: str) -> dict[str, Any]:
    """Return the 200 of a stream of server-sent events; the schema is that of one event, whose data is JSON."""
    fields = {"event": {"enum": list(names)}, "id": {"type": "string"}, "data": {"type": "string"}}
    schema = {"type": "object", "properties": fields, "required": ["data"]}
    return {"content": {"text/event-stream": {"schema": schema}}, "description": "The events."}


# What any route behind a key may answer.
_GUARDED = documented(
    Reason.UNAUTHENTICATED, Reason.FORBIDDEN, Reason.OVERLOADED, Reason.LEDGER_UNAVAILABLE, Reason.TIMED_OUT
)


_WITH_BODY = documented(Reason.INVALID_REQUEST, Reason.TOO_LARGE, Reason.UNSUPPORTED_MEDIA_TYPE, Reason.UPLOAD_STALLED)


def _document_guard(operation: dict[str, Any]) -> None:
    """Add to an operation's answers those of authentication, and of the bound on its body."""
    answers = operation["responses"]
    guards = {**_GUARDED, **_WITH_BODY} if "requestBody" in operation else _GUARDED
    for status, guard in guards.items():
        known = answers.setdefault(str(status), copy.deepcopy(guard))
        examples = known["content"][MEDIA_TYPE]["examples"]
        examples.update(guard["content"][MEDIA_TYPE]["examples"])
        known["description"] = ", ".join(f"`{reason}`" for reason in examples)


def _lift_definitions(operation: dict[str, Any], schemas: dict[str, Any]) -> None:
    """Move what a route's own body schema defines to the definitions of the document."""
    for media in operation.get("requestBody", {}).get("content", {}).values():
        schemas.update(media["schema"].pop("$defs", {}))


_FULL = documented(Reason.INSUFFICIENT_STORAGE)


def _document_full_store(method: str, operation: dict[str, Any]) -> None:
    """Add to what writes to the store that there may be no room: any that may find it away."""
    known = operation["responses"].get("503", {}).get("content", {}).get(MEDIA_TYPE, {}).get("examples", {})
    if method not in ("get", "head", "options") and Reason.STORE_UNAVAILABLE in known:
        operation["responses"]["507"] = copy.deepcopy(_FULL[507])


class DocumentedApi(FastAPI):
    """Adds the `Problem` of every error, and the answers to a missing key, to FastAPI's OpenAPI document."""

    def openapi(self) -> dict[str, Any]:
        """Return the OpenAPI document, built once."""
        if self.openapi_schema is None:
            document = super().openapi()
            schemas = document["components"]["schemas"]
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            problem = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(problem.pop("$defs"))
            schemas["Problem"] = problem
            for path, operations in document["paths"].items():
                for method, operation in operations.items():
                    _document_full_store(method, operation)
                    _lift_definitions(operation, schemas)
                    if dialect_of(path) is not None:
                        operation["responses"].pop("422", None)  # FastAPI's own; other vendors have 400 for that
                    elif "security" in operation:
                        _document_guard(operation)
            self.openapi_schema = document
        return self.openapi_schema
