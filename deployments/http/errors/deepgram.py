"""Errors as Deepgram's clients read them: ``{err_code, err_msg, request_id}``, and their statuses."""

from http import HTTPStatus

from pydantic import Field

from deployments.http.errors.vendors import vendor_status
from deployments.schemas.options import ApiModel, Problem
from deployments.telemetry.request_context import current_request
from pipelines.errors import Reason

DEEPGRAM_PATHS = ("/deepgram/",)
REQUEST_ID = "dg-request-id"

_CODES: dict[int, str] = {
    HTTPStatus.BAD_REQUEST: "Bad Request",
    HTTPStatus.UNAUTHORIZED: "INVALID_AUTH",
    HTTPStatus.FORBIDDEN: "INSUFFICIENT_PERMISSIONS",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "PAYLOAD_TOO_LARGE",
    HTTPStatus.TOO_MANY_REQUESTS: "TOO_MANY_REQUESTS",
}


class DeepgramError(ApiModel):
    """An error in Deepgram's form."""

    err_code: str = Field(description="Deepgram's name of the status, or the reason.")
    err_msg: str
    reason: Reason = Field(description="MeetMemo's own, which Deepgram does not tell.")
    request_id: str = Field(description="The job's id where there is one, else that of the request.")


def deepgram_error(problem: Problem, request_id: str = "") -> DeepgramError:
    """Turn a problem document into Deepgram's form; ``request_id`` is a job's, "" without one."""
    status = vendor_status(problem.reason, problem.status)
    return DeepgramError(
        err_code=_CODES.get(status, str(problem.reason)),
        err_msg=problem.detail,
        reason=problem.reason,
        request_id=request_id or current_request().request_id,
    )


def deepgram_headers() -> dict[str, str]:
    """Return what every answer to Deepgram's clients carries."""
    return {REQUEST_ID: current_request().request_id}
