"""The environment that a cluster's Ray starts in."""

import os
import warnings
from pathlib import Path

import pytest

from cluster.lifecycle.environment import PROXY_READY_TIMEOUT, prepare_environment, prepare_home
from cluster.settings.sections import MinutesSettings
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError

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


def test_a_context_without_room_is_refused_at_once(settings: Settings) -> None:
    """A language model that no transcript fits into is told before anything starts, in one line."""
    minutes = MinutesSettings(base_url="http://gpu:8000/v1", context_tokens=2048)
    with pytest.raises(ConfigurationError, match=r"^minutes\.context_tokens: 2048 tokens .* no room for a transcript"):
        prepare_environment(settings.model_copy(update={"minutes": minutes}))
