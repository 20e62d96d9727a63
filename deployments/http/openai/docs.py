"""The OpenAPI document's part about OpenAI's dialect."""

from typing import Any

from deployments.http.openai.forms import STREAMED, Task, TranscriptionForm, TranslationForm
from deployments.http.openai.known_speakers import NAMES, REFERENCES
from deployments.http.openai.responses import MEDIA_TYPES
from deployments.http.openapi import event_stream
from deployments.schemas.json_schema import schema_of

SPEECH_DESCRIPTION = """
Transcribes a recording while the client waits, as OpenAI's API does; its official clients work as they are. The
recording becomes a job like any other, decoded before those that nobody waits for; its id is in `X-MeetMemo-Job` and
its address in `Location`. When the client goes away the job goes on, and its results are fetched from `/v1/jobs/{id}`;
with an `Idempotency-Key` the same request sent again waits for the same job. What is to be known of the recording, such
as that it is damaged, is in `X-MeetMemo-Warning`, and with `stream=true` in the job's `notes`.
"""


def speech_answers(task: Task) -> dict[int | str, dict[str, Any]]:
    """Return the 200 of ``/v1/audio/…`` beside JSON: text by ``response_format``, and events with ``stream``."""
    content: dict[str, Any] = {
        media_type.partition(";")[0]: {"schema": {"type": "string"}} for media_type in MEDIA_TYPES.values()
    }
    if task == "transcribe":
        names = ("transcript.text.delta", "transcript.text.segment", "transcript.text.done", "error")
        content |= event_stream(*names)["content"]
    return {
        200: {
            "description": "The text, in the form asked for; a stream with `stream` and "
            f"`response_format` {', '.join(STREAMED)}.",
            "content": content,
        }
    }


def speech_openapi(task: Task) -> dict[str, Any]:
    """Return the request body of ``/v1/audio/…``."""
    model = TranscriptionForm if task == "transcribe" else TranslationForm
    schema = schema_of(model)
    schema["properties"] = {"file": {"type": "string", "format": "binary"}, **schema["properties"]}
    schema["required"] = ["file", *schema.get("required", [])]
    for name in ("timestamp_granularities", NAMES, REFERENCES):
        if name in schema["properties"]:
            schema["properties"][f"{name}[]"] = schema["properties"].pop(name)
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
