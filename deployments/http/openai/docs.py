"""The OpenAPI document's part about OpenAI's dialect."""

from typing import Any

from deployments.http.openai.forms import Task, TranscriptionForm, TranslationForm

SPEECH_DESCRIPTION = """
Transcribes a recording while the client waits, as OpenAI's API does; its official clients work as they are. The
recording becomes a job like any other, decoded before those that nobody waits for; its id is in `X-MeetMemo-Job` and
its address in `Location`. When the client goes away the job goes on, and its results are fetched from `/v1/jobs/{id}`;
with an `Idempotency-Key` the same request sent again waits for the same job. What is to be known of the recording, such
as that it is damaged, is in `X-MeetMemo-Warning`, and with `stream=true` in the job's `notes`.
"""


def speech_openapi(task: Task) -> dict[str, Any]:
    """Return the request body of ``/v1/audio/…``."""
    model = TranscriptionForm if task == "transcribe" else TranslationForm
    schema = model.model_json_schema()
    schema["properties"] = {"file": {"type": "string", "format": "binary"}, **schema["properties"]}
    schema["required"] = ["file", *schema.get("required", [])]
    if "timestamp_granularities" in schema["properties"]:
        granularities = schema["properties"].pop("timestamp_granularities")
        schema["properties"]["timestamp_granularities[]"] = granularities
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
