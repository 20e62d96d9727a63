"""The one place where errors become answers: problem details (RFC 9457) with an enumerated reason."""

import math
import uuid
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message, Receive, Scope, Send

from deployments.http.asgi import HttpMiddleware, at_start
from deployments.http.errors.dialects import dialect_of
from deployments.schemas.options import FieldProblem, Problem
from pipelines.errors import (
    Forbidden,
    InvalidOptions,
    InvalidRequest,
    MeetMemoError,
    MethodNotAllowed,
    ModelUnknown,
    NotFound,
    Overloaded,
    RangeNotSatisfiable,
    Reason,
    RequestInFlight,
    TemplateInvalid,
    TemplateUnknown,
    TusVersion,
    Unauthenticated,
)
from pipelines.validation import faults, told

MEDIA_TYPE = "application/problem+json"
RETRY_AFTER_S = 5.0  # for outages whose end nobody knows; a store or database restarts within seconds
MAX_SHOWN_CHARS = 1000
REALM = 'Bearer realm="meetmemo"'
MAX_ERRORS = 20

STATUS: dict[Reason, int] = {
    Reason.UNSUPPORTED_FORMAT: 422,
    Reason.NO_AUDIO_STREAM: 422,
    Reason.EMPTY_AUDIO: 422,
    Reason.CORRUPT_AUDIO: 422,
    Reason.TOO_LONG: 422,
    Reason.TOO_LARGE: 413,
    Reason.SOURCE_UNREACHABLE: 422,
    Reason.INVALID_OPTION: 422,
    Reason.INVALID_SIDECAR: 422,
    Reason.TEMPLATE_UNKNOWN: 422,
    Reason.TEMPLATE_INVALID: 422,
    Reason.MODEL_UNKNOWN: 422,
    Reason.MODEL_UNAVAILABLE: 503,
    Reason.TRANSCRIPTION_FAILED: 500,
    Reason.TIMED_OUT: 503,
    Reason.REPLICA_LOST: 503,
    Reason.DRAINING: 503,
    Reason.BLOB_MISSING: 404,
    Reason.AUDIO_GONE: 410,
    Reason.STORE_UNAVAILABLE: 503,
    Reason.INSUFFICIENT_STORAGE: 507,
    Reason.LEDGER_UNAVAILABLE: 503,
    Reason.JOB_UNKNOWN: 404,
    Reason.KEY_UNKNOWN: 404,
    Reason.FENCED: 409,
    Reason.IDEMPOTENCY_CONFLICT: 422,
    Reason.EXTERNAL_ID_CONFLICT: 409,
    Reason.VERSION_CONFLICT: 409,
    Reason.LEGAL_HOLD: 409,
    Reason.ILLEGAL_TRANSITION: 409,
    Reason.OVERLOADED: 429,
    Reason.MINUTES_FAILED: 500,
    Reason.INVALID_CONFIGURATION: 500,
    Reason.INVALID_REQUEST: 400,
    Reason.UNAUTHENTICATED: 401,
    Reason.FORBIDDEN: 403,
    Reason.SIGN_IN_FAILED: 400,
    Reason.SIGN_IN_REFUSED: 403,
    Reason.PROVIDER_UNAVAILABLE: 503,
    Reason.CROSS_SITE: 403,
    Reason.MISDIRECTED: 421,
    Reason.UNSUPPORTED_MEDIA_TYPE: 415,
    Reason.UPLOAD_STALLED: 408,
    Reason.UPLOAD_BUSY: 423,
    Reason.REQUEST_IN_FLIGHT: 409,
    Reason.OFFSET_CONFLICT: 409,
    Reason.UPLOAD_INCOMPLETE: 409,
    Reason.CHECKSUM_MISMATCH: 460,  # the tus protocol's own
    Reason.TUS_VERSION: 412,
    Reason.NOT_FOUND: 404,
    Reason.METHOD_NOT_ALLOWED: 405,
    Reason.RANGE_NOT_SATISFIABLE: 416,
    Reason.RESULT_PENDING: 409,
    Reason.INTERNAL: 500,
}

log = structlog.get_logger(__name__)


def problem_of(error: MeetMemoError) -> Problem:
    """Describe an error raised on purpose."""
    errors: tuple[tuple[str, str], ...] = ()
    if isinstance(error, InvalidOptions):
        errors = error.errors
    elif isinstance(error, ModelUnknown):
        errors = (("model", str(error)),)
    elif isinstance(error, TemplateUnknown | TemplateInvalid):
        errors = (("minutes_template", str(error)),)
    return _problem(error.reason, str(error), errors)


def problem_for(reason: Reason, detail: str) -> Problem:
    """Describe a reason that no exception carries."""
    return _problem(reason, detail)


def answer(error: MeetMemoError, path: str = "") -> Response:
    """Answer with an error raised on purpose; outages and overload say when to come back."""
    problem = problem_of(error)
    headers = {}
    if isinstance(error, Overloaded):
        headers["retry-after"] = str(max(1, math.ceil(error.retry_after_s)))
    elif isinstance(error, RequestInFlight):
        headers["retry-after"] = str(math.ceil(RETRY_AFTER_S))
    elif isinstance(error, RangeNotSatisfiable):
        headers["content-range"] = f"bytes */{error.n_bytes}"
    elif isinstance(error, TusVersion):
        headers["tus-version"] = "1.0.0"
    elif isinstance(error, Unauthenticated):
        headers["www-authenticate"] = REALM
    elif isinstance(error, Forbidden):  # RFC 6750, section 3.1
        headers["www-authenticate"] = f'{REALM}, error="insufficient_scope", scope="{error.scope}"'
    elif problem.status in (HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.INSUFFICIENT_STORAGE):
        headers["retry-after"] = str(math.ceil(RETRY_AFTER_S))
    return _response(problem, headers, path=path)


def _problem(reason: Reason, detail: str, errors: Sequence[tuple[str, str]] = (), **more: Any) -> Problem:
    return Problem(
        type=f"urn:meetmemo:problem:{reason}",
        title=str(reason).replace("_", " ").capitalize(),
        status=more.pop("status", STATUS[reason]),
        detail=_shown(detail),
        reason=reason,
        errors=[FieldProblem(field=_shown(field), message=_shown(message)) for field, message in errors[:MAX_ERRORS]],
        **more,
    )


def _shown(text: str) -> str:
    """Make what came from outside safe to echo: valid UTF-8, and not long."""
    valid = text.encode("utf-8", "replace").decode()
    return valid if len(valid) <= MAX_SHOWN_CHARS else f"{valid[:MAX_SHOWN_CHARS]}…"


def _response(problem: Problem, headers: dict[str, str] | None = None, *, path: str) -> Response:
    dialect = dialect_of(path)
    if dialect is not None:
        return JSONResponse(
            dialect.error(problem).model_dump(mode="json"),
            status_code=dialect.status(problem.reason, problem.status),
            headers={**(headers or {}), **dialect.headers()},
        )
    return JSONResponse(
        problem.model_dump(mode="json", exclude_none=True),
        status_code=problem.status,
        headers=headers,
        media_type=MEDIA_TYPE,
    )


def _internal(path: str) -> Response:
    """Answer 500 without a word about the cause; the log holds it under the same number."""
    instance = uuid.uuid4().urn
    log.exception("request failed", action="http_error", instance=instance)
    return _response(
        _problem(Reason.INTERNAL, "Something went wrong inside MeetMemo; its log has the details.", instance=instance),
        path=path,
    )


async def _on_known(request: Request, error: Exception) -> Response:
    assert isinstance(error, MeetMemoError)
    return answer(error, request.url.path)


async def _on_invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    found = faults(error.errors(), called="parameter", skip=1)
    return _response(_problem(Reason.INVALID_OPTION, told(found), found), path=request.url.path)


_HTTP_ERRORS: dict[int, MeetMemoError] = {
    404: NotFound("There is nothing at this address."),
    405: MethodNotAllowed("This address does not take this method."),
}


async def _on_http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    known = _HTTP_ERRORS.get(error.status_code, InvalidRequest(str(error.detail)))
    problem = problem_of(known).model_copy(update={"status": error.status_code})
    return _response(problem, dict(error.headers or {}), path=request.url.path)


class _CatchAll(HttpMiddleware):
    """Turns unexpected exceptions into a 500 without details; a response that has begun is cut off."""

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = False

        def note(_: Message) -> None:
            nonlocal started
            started = True

        try:
            await self._app(scope, receive, at_start(send, note))
        except ClientDisconnect:
            log.info("client went away", action="http_disconnect", path=scope["path"])
        except Exception:
            if started:
                raise  # the server closes the connection, so that the client sees a torn answer
            await _internal(scope["path"])(scope, receive, send)


def install(app: FastAPI) -> None:
    """Make every error of the application a problem document."""
    app.add_middleware(_CatchAll)
    app.add_exception_handler(MeetMemoError, _on_known)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http)
