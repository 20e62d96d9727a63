"""Before Ray's proxy: no method of one's own, one request id. Ray's code is the installed version's."""

import os
import warnings
from pathlib import Path

import httpx
import pytest
from starlette.responses import Response
from starlette.types import ASGIApp

from cluster.lifecycle.environment import PROXY_CALLBACK, USE_HAPROXY, prepare_environment, prepare_home
from cluster.lifecycle.haproxy_launcher import METHODS
from cluster.settings.sections import HttpSettings
from cluster.settings.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray uses pydantic in ways that it deprecates
    from ray.serve._private.http_util import _apply_middlewares, validate_http_proxy_callback_return
    from ray.serve._private.utils import call_function_from_import_path


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings without HAProxy; what is prepared ends with the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    for name in (USE_HAPROXY, PROXY_CALLBACK):
        os.environ.pop(name, None)
    settings = Settings(home=tmp_path / "home", http=HttpSettings(haproxy=False))
    prepare_home(settings)
    return settings


@pytest.fixture
def proxy(settings: Settings) -> ASGIApp:
    """An application behind what Ray puts before it, told of by the environment."""
    prepare_environment(settings)
    found = validate_http_proxy_callback_return(call_function_from_import_path(os.environ[PROXY_CALLBACK]))
    app: ASGIApp = _apply_middlewares(Response("", headers={"x-request-id": "ours"}), [*found])  # type: ignore[list-item]
    return app


async def test_methods_and_ids(proxy: ASGIApp) -> None:
    """Words that are no methods are refused; other answers have the application's id alone."""
    async with httpx.AsyncClient(transport=httpx.ASGITransport(app=proxy), base_url="http://test") as client:
        for method in ("FOO", "M1", "TRACE"):
            refused = await client.request(method, "/v1/jobs")
            assert (refused.status_code, refused.json()["reason"]) == (501, "method_not_allowed")
        for method in METHODS:
            answer = await client.request(method, "/v1/jobs", headers={"x-request-id": "my id"})
            assert (answer.status_code, answer.headers.get_list("x-request-id")) == (200, ["ours"])


def test_haproxy_does_it_where_there_is_one(settings: Settings) -> None:
    """The callback is set only where Ray's own proxy listens."""
    prepare_environment(settings.model_copy(update={"http": settings.http.model_copy(update={"haproxy": True})}))
    assert PROXY_CALLBACK not in os.environ
