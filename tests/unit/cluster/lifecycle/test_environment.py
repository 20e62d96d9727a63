"""The environment that a cluster's Ray starts in."""

import os
import warnings
from pathlib import Path

import pytest

from cluster.lifecycle.environment import PROXY_READY_TIMEOUT, prepare_environment, prepare_home
from cluster.settings.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
    from ray.serve._private.constants import HTTP_PROXY_TIMEOUT


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a home; what is prepared ends with the test."""
    monkeypatch.setattr(os, "environ", os.environ.copy())
    os.environ.pop(PROXY_READY_TIMEOUT, None)
    settings = Settings(home=tmp_path / "home")
    prepare_home(settings)
    return settings


def test_a_proxy_may_start_as_slowly_as_serve_waits(settings: Settings) -> None:
    """On a busy machine Ray killed the proxy after 5 s, and `meetmemo up` died of it."""
    prepare_environment(settings)
    assert float(os.environ[PROXY_READY_TIMEOUT]) >= HTTP_PROXY_TIMEOUT


def test_the_operators_timeout_wins(settings: Settings) -> None:
    """Ray's switches are defaults."""
    os.environ[PROXY_READY_TIMEOUT] = "7"
    prepare_environment(settings)
    assert os.environ[PROXY_READY_TIMEOUT] == "7"
