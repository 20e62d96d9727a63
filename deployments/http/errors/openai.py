"""Errors as OpenAI's clients read them: ``{"error": {message, type, param, code}}``, and their statuses."""

from http import HTTPStatus
from typing import Literal

from pydantic import Field

from deployments.schemas.options import ApiModel, Problem
from pipelines.errors import Reason

Kind = Literal["invalid_request_error", "authentication_error", "rate_limit_error", "server_error"]

_KINDS: dict[int, Kind] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
}

OPENAI_PATHS = ("/v1/audio/", "/v1/models/")  # and /v1/models itself


class SpeechErrorBody(ApiModel):
    """A failure; ``code`` is MeetMemo's enumerated reason, except for `model_not_found`."""

    message: str
    type: Kind
    param: str | None = Field(description="The parameter that is wrong.")
    code: str


class SpeechError(ApiModel):
    """An error in OpenAI's form."""

    error: SpeechErrorBody


def speaks_openai(path: str) -> bool:
    """Say whether who asks at this address expects OpenAI's errors."""
    return f"{path.rstrip('/')}/".startswith(OPENAI_PATHS)


def openai_status(reason: Reason, status: int) -> int:
    """Return OpenAI's status for an error: 400 for 415 and 422, 404 for an unknown model."""
    if reason is Reason.MODEL_UNKNOWN:
        return HTTPStatus.NOT_FOUND
    wrong = status in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
    return HTTPStatus.BAD_REQUEST if wrong else status


def speech_error(problem: Problem) -> SpeechError:
    """Turn a problem document into OpenAI's form."""
    fault: Kind = "server_error" if problem.status >= HTTPStatus.INTERNAL_SERVER_ERROR else "invalid_request_error"
    return SpeechError(
        error=SpeechErrorBody(
            message=problem.detail,
            type=_KINDS.get(problem.status, fault),
            param=(problem.errors[0].field.partition(".")[0] or None) if problem.errors else None,
            code="model_not_found" if problem.reason is Reason.MODEL_UNKNOWN else problem.reason,
        )
    )
