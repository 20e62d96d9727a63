"""Errors as answers: every reason has a status, nothing inside leaks out, and the OpenAPI document tells it all."""

from collections.abc import Iterator
from operator import attrgetter

import pytest
from fastapi import FastAPI
from httpx import ASGITransport, AsyncClient
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs

from deployments.http.errors.problems import MAX_ERRORS, STATUS, answer, install, problem_of
from pipelines import errors
from pipelines.errors import IllegalTransition, InvalidOptions, MeetMemoError, Overloaded, Reason, RequestInFlight


def all_errors(root: type[MeetMemoError] = MeetMemoError) -> Iterator[type[MeetMemoError]]:
    """Every class of the tree in `pipelines.errors`."""
    for kind in root.__subclasses__():
        if kind.__module__ == errors.__name__:
            yield kind
        yield from all_errors(kind)


def test_every_reason_has_a_status():
    """No reason is without a status, and every status is an error's."""
    assert set(STATUS) == set(Reason)
    assert all(400 <= status < 600 for status in STATUS.values())


@pytest.mark.parametrize("kind", sorted(all_errors(), key=attrgetter("__name__")))
def test_every_error(kind):
    """Every error becomes a problem with its own reason and text; outages say when to come again."""
    error = kind("all went wrong", 2.5) if kind is Overloaded else kind("all went wrong")
    problem = problem_of(error)
    assert (problem.reason, problem.detail) == (kind.reason, "all went wrong")
    assert problem.status == STATUS[kind.reason]
    headers = answer(error).headers
    assert headers["content-type"] == "application/problem+json"
    assert ("retry-after" in headers) == (problem.status in (429, 503, 507) or kind is RequestInFlight)


def test_retry_after_is_rounded_up():
    """A wait of a part of a second is a second, of 2.1 seconds 3."""
    assert answer(Overloaded("full", 0.01)).headers["retry-after"] == "1"
    assert answer(Overloaded("full", 2.1)).headers["retry-after"] == "3"


def test_what_comes_from_outside_is_cut():
    """Texts from outside are shown as valid UTF-8 of bounded length, and only so many of them."""
    error = InvalidOptions("x" * 5000 + "\ud800", tuple((f"f{i}\ud800", "y" * 5000) for i in range(100)))
    problem = problem_of(error)
    assert len(problem.detail) <= 1001
    assert len(problem.errors) == MAX_ERRORS
    assert len(answer(error).body) < 50_000
    assert problem.errors[0].field == "f0?"


@pytest.fixture
def app():
    app = FastAPI()
    install(app)

    @app.get("/secret")
    async def secret() -> None:
        raise RuntimeError("password=hunter2")

    @app.get("/known")
    async def known() -> None:
        raise IllegalTransition("it has ended")

    @app.get("/teapot")
    async def teapot() -> None:
        raise HTTPException(418, "short and stout", headers={"x-spout": "yes"})

    @app.get("/number")
    async def number(n: int) -> int:
        return n

    @app.get("/torn")
    async def torn() -> StreamingResponse:
        async def body():
            yield b"half"
            raise RuntimeError("password=hunter2")

        return StreamingResponse(body())

    return app


@pytest.fixture
async def client(app):
    async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "status", "reason", "detail"),
    [
        ("/known", 409, "illegal_transition", "it has ended"),
        ("/nothing", 404, "not_found", "There is nothing at this address."),
        ("/teapot", 418, "invalid_request", "short and stout"),
        ("/number?n=x", 422, "invalid_option", "n: must be a whole number"),
        ("/number", 422, "invalid_option", "n: is missing"),
    ],
)
async def test_answers(client, path, status, reason, detail):
    """Errors of the domain, of routing and of validation are all problem documents."""
    answer = await client.get(path)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert (body["status"], body["reason"]) == (status, reason)
    assert body["detail"].startswith(detail)


async def test_headers_survive(client):
    """Headers of an HTTP error are kept: Allow for 405, and others."""
    assert (await client.get("/teapot")).headers["x-spout"] == "yes"
    answer = await client.post("/known")
    assert (answer.status_code, answer.headers["allow"]) == (405, "GET")
    assert answer.json()["reason"] == "method_not_allowed"


async def test_internal_error_tells_nothing(client):
    """An unexpected error is a 500 without a word of it, with a number that its log entry bears too."""
    with capture_logs() as logged:
        answer = await client.get("/secret")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "hunter2" not in answer.text
    assert "Traceback" not in answer.text
    body = answer.json()
    assert body["reason"] == "internal"
    assert [(entry["instance"], entry["exc_info"]) for entry in logged] == [(body["instance"], True)]


async def test_error_in_mid_answer(client):
    """When the answer has begun, the connection breaks instead of ending as if it were whole."""
    with pytest.raises(RuntimeError):
        await client.get("/torn")
