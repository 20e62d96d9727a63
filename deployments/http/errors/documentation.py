"""Refusals in the OpenAPI document: which reasons each kind of route may answer with, and their description.

What every route behind a key may answer, and every route with a body, `deployments.http.openapi` adds by itself.
"""

from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

from deployments.http.errors.dialects import OPENAI, ErrorDialect
from deployments.http.errors.problems import MEDIA_TYPE, STATUS, problem_for
from pipelines.errors import Reason

LEDGER = (Reason.LEDGER_UNAVAILABLE,)
STORE = (Reason.STORE_UNAVAILABLE,)
STORAGE = (*STORE, *LEDGER)

QUERY = (Reason.INVALID_OPTION, *LEDGER)
"""Reading the ledger by parameters."""

PAGE = (Reason.INVALID_REQUEST, *QUERY)
"""Reading a page whose cursor the client sends back."""

ONE_ITEM = (Reason.NOT_FOUND, *QUERY)
"""An item of the review queue."""

ONE_JOB = (Reason.JOB_UNKNOWN, *QUERY)
STORED_JOB = (*ONE_JOB, *STORE)
"""A job with what the store holds of it."""

RESULT = (Reason.NOT_FOUND, Reason.BLOB_MISSING, Reason.RESULT_PENDING, Reason.ILLEGAL_TRANSITION, *STORE, *ONE_JOB)
PLAYBACK = (Reason.BLOB_MISSING, Reason.RESULT_PENDING, *STORED_JOB)
FOLLOW = (Reason.INVALID_REQUEST, Reason.OVERLOADED, *ONE_JOB)
CHANGE_JOB = (Reason.ILLEGAL_TRANSITION, *STORED_JOB)
CORRECT = (Reason.INVALID_REQUEST, Reason.VERSION_CONFLICT, *CHANGE_JOB)
ONE_VERSION = (Reason.NOT_FOUND, *CHANGE_JOB)

ROOM_FOR_JOBS = (Reason.OVERLOADED, Reason.DRAINING)
AGAIN = (
    Reason.INVALID_REQUEST,
    Reason.NOT_FOUND,
    Reason.ILLEGAL_TRANSITION,
    Reason.MODEL_UNKNOWN,
    Reason.IDEMPOTENCY_CONFLICT,
    *ROOM_FOR_JOBS,
    *STORED_JOB,
)
"""Making a job of an ended one."""

REWRITE = (
    Reason.INVALID_REQUEST,
    Reason.NOT_FOUND,
    Reason.ILLEGAL_TRANSITION,
    Reason.TEMPLATE_UNKNOWN,
    Reason.TEMPLATE_INVALID,
    Reason.IDEMPOTENCY_CONFLICT,
    *ROOM_FOR_JOBS,
    *STORED_JOB,
)

REDO = (Reason.AUDIO_GONE, Reason.RESULT_PENDING, Reason.MODEL_UNKNOWN, *REWRITE)
"""Doing a stage of a job again."""

REDO_MANY = (
    Reason.INVALID_REQUEST,
    Reason.INVALID_OPTION,
    Reason.NOT_FOUND,
    Reason.IDEMPOTENCY_CONFLICT,
    Reason.REQUEST_IN_FLIGHT,
    *STORAGE,
)

RECORDING = (
    Reason.INVALID_REQUEST,
    Reason.UNSUPPORTED_FORMAT,
    Reason.UPLOAD_STALLED,
    Reason.TOO_LARGE,
    Reason.UNSUPPORTED_MEDIA_TYPE,
    Reason.INVALID_OPTION,
    Reason.MODEL_UNKNOWN,
    Reason.EMPTY_AUDIO,
    Reason.IDEMPOTENCY_CONFLICT,
    Reason.REQUEST_IN_FLIGHT,
    Reason.EXTERNAL_ID_CONFLICT,
    Reason.NOT_FOUND,
    *ROOM_FOR_JOBS,
    *STORAGE,
)
"""Submitting a recording as the body."""

SUBMIT = (*RECORDING, Reason.UPLOAD_INCOMPLETE)
"""Submitting a recording in any form."""

VOICES = STORE
VOICE = (
    Reason.NOT_FOUND,
    Reason.INVALID_REQUEST,
    Reason.INVALID_OPTION,
    Reason.UNSUPPORTED_MEDIA_TYPE,
    Reason.UNSUPPORTED_FORMAT,
    Reason.CORRUPT_AUDIO,
    Reason.EMPTY_AUDIO,
    Reason.NO_AUDIO_STREAM,
    Reason.TOO_LARGE,
    Reason.TOO_LONG,
    Reason.UPLOAD_STALLED,
    Reason.OVERLOADED,
    Reason.ILLEGAL_TRANSITION,
    Reason.BLOB_MISSING,
    Reason.JOB_UNKNOWN,
    Reason.MODEL_UNAVAILABLE,
    Reason.REPLICA_LOST,
    *STORAGE,
)
"""Voice profiles: enrolling one, showing one, deleting one."""

SPEECH = (
    Reason.INVALID_REQUEST,
    Reason.INVALID_OPTION,
    Reason.UNSUPPORTED_FORMAT,
    Reason.MODEL_UNKNOWN,
    Reason.UPLOAD_STALLED,
    Reason.TOO_LARGE,
    *ROOM_FOR_JOBS,
    *STORE,
    Reason.INSUFFICIENT_STORAGE,
)
"""Submitting a recording by OpenAI's dialect."""

LISTEN = (
    Reason.SOURCE_UNREACHABLE,
    Reason.EMPTY_AUDIO,
    Reason.CORRUPT_AUDIO,
    Reason.UNSUPPORTED_MEDIA_TYPE,
    Reason.IDEMPOTENCY_CONFLICT,
    Reason.REQUEST_IN_FLIGHT,
    *LEDGER,
    *SPEECH,
)
"""Submitting a recording by Deepgram's dialect, and waiting for its text."""

ONE_TRANSCRIPT = (Reason.JOB_UNKNOWN, Reason.BLOB_MISSING, Reason.RESULT_PENDING, Reason.OVERLOADED, *STORAGE)
"""Reading a transcript by AssemblyAI's dialect."""

CALLBACK = (
    Reason.INVALID_REQUEST,
    Reason.UNAUTHENTICATED,
    Reason.INVALID_OPTION,
    Reason.MODEL_UNKNOWN,
    Reason.EXTERNAL_ID_CONFLICT,
    *ROOM_FOR_JOBS,
    *LEDGER,
)
"""A signed callback that tells of a recording."""

BUCKET = (
    Reason.SOURCE_UNREACHABLE,
    Reason.INVALID_REQUEST,
    Reason.INVALID_OPTION,
    Reason.MODEL_UNKNOWN,
    *ROOM_FOR_JOBS,
    *LEDGER,
)

ESTIMATE = (
    Reason.INVALID_REQUEST,
    Reason.MODEL_UNKNOWN,
    Reason.TOO_LARGE,
    Reason.UNSUPPORTED_MEDIA_TYPE,
    Reason.UPLOAD_STALLED,
    Reason.OVERLOADED,
    *QUERY,
)
ONE_BATCH = (Reason.NOT_FOUND, *QUERY)
CHANGE_BATCH = (Reason.ILLEGAL_TRANSITION, *ONE_BATCH)
STORED_BATCH = (*STORE, *ONE_BATCH)
SUBMIT_BATCH = (
    Reason.INVALID_REQUEST,
    Reason.INVALID_OPTION,
    Reason.TOO_LARGE,
    Reason.UNSUPPORTED_MEDIA_TYPE,
    Reason.UPLOAD_STALLED,
    Reason.IDEMPOTENCY_CONFLICT,
    Reason.REQUEST_IN_FLIGHT,
    Reason.SOURCE_UNREACHABLE,
    Reason.OVERLOADED,
    *STORAGE,
)
UPLOAD_ENTRY = (
    Reason.INVALID_REQUEST,
    Reason.UNSUPPORTED_FORMAT,
    Reason.ILLEGAL_TRANSITION,
    Reason.TOO_LARGE,
    Reason.UPLOAD_STALLED,
    *ROOM_FOR_JOBS,
    *STORE,
    *ONE_BATCH,
)

ONE_UPLOAD = (Reason.TUS_VERSION, Reason.NOT_FOUND, *QUERY)
BEGIN_UPLOAD = (
    Reason.INVALID_REQUEST,
    Reason.EMPTY_AUDIO,
    Reason.MODEL_UNKNOWN,
    Reason.TOO_LARGE,
    *ROOM_FOR_JOBS,
    *STORE,
    *ONE_UPLOAD,
)
APPEND_PIECE = (
    Reason.INVALID_REQUEST,
    Reason.UNSUPPORTED_FORMAT,
    Reason.UNSUPPORTED_MEDIA_TYPE,
    Reason.OFFSET_CONFLICT,
    Reason.UPLOAD_BUSY,
    Reason.UPLOAD_STALLED,
    Reason.CHECKSUM_MISMATCH,
    Reason.TOO_LARGE,
    *STORE,
    *ONE_UPLOAD,
)
PRESIGN = (Reason.INVALID_OPTION, Reason.INVALID_REQUEST, Reason.TOO_LARGE, *ROOM_FOR_JOBS, *STORAGE)
PUT_UPLOAD = (
    Reason.INVALID_REQUEST,
    Reason.UNSUPPORTED_FORMAT,
    Reason.INVALID_OPTION,
    Reason.NOT_FOUND,
    Reason.UPLOAD_STALLED,
    Reason.TOO_LARGE,
    Reason.OVERLOADED,
    *STORAGE,
)

_EXAMPLES = {
    Reason.OVERLOADED: "16 uploads are already under way; try again in 5 seconds.",
    Reason.UNAUTHENTICATED: "The key is unknown, expired or revoked.",
    Reason.FORBIDDEN: "This needs the scope jobs:write, which the key does not have.",
    Reason.JOB_UNKNOWN: "There is no job 0198c0de.",
    Reason.INVALID_OPTION: "beam_size: Input should be less than or equal to 10",
}
_WITH_RETRY_AFTER = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE)


def documented(*reasons: Reason) -> dict[int | str, dict[str, Any]]:
    """Describe the problem answers of a route for OpenAPI, grouped by status; 500 is always among them."""
    by_status: dict[int, list[Reason]] = {}
    for reason in (*reasons, Reason.INTERNAL):
        by_status.setdefault(STATUS[reason], []).append(reason)
    return {status: _documented_answer(status, among) for status, among in sorted(by_status.items())}


def _documented_answer(status: int, reasons: Iterable[Reason]) -> dict[str, Any]:
    among = list(reasons)
    answer: dict[str, Any] = {
        "description": ", ".join(f"`{reason}`" for reason in among),
        "content": {
            MEDIA_TYPE: {
                "schema": {"$ref": "#/components/schemas/Problem"},
                "examples": {str(reason): {"value": _example(reason)} for reason in among},
            }
        },
    }
    if status in _WITH_RETRY_AFTER:
        answer["headers"] = {"Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}}}
    return answer


def _example(reason: Reason) -> dict[str, Any]:
    problem = problem_for(reason, _EXAMPLES.get(reason, "What is wrong, in words."))
    return problem.model_dump(mode="json", exclude_none=True)


def documented_speech(*reasons: Reason) -> dict[int | str, dict[str, Any]]:
    """Describe the error answers of a route that speaks OpenAI's dialect; see `documented_in`."""
    return documented_in(OPENAI, *reasons)


def documented_in(dialect: ErrorDialect, *reasons: Reason) -> dict[int | str, dict[str, Any]]:
    """Describe the error answers of a route that speaks a dialect, by status; 401, 403, 500 are among them."""
    by_status: dict[int, list[str]] = {}
    for reason in (*reasons, Reason.UNAUTHENTICATED, Reason.FORBIDDEN, Reason.INTERNAL):
        by_status.setdefault(dialect.status(reason, STATUS[reason]), []).append(f"`{reason}`")
    return {
        status: {"model": dialect.form, "description": ", ".join(among)} for status, among in sorted(by_status.items())
    }
