"""The environment that a cluster's Ray starts in."""

import inspect
import os
import warnings
from pathlib import Path

import pytest

from cluster.lifecycle.environment import METRICS_INTERVAL, PROXY_READY_TIMEOUT, prepare_environment, prepare_home
from cluster.settings.secrets import KEY
from cluster.settings.sections import MinutesSettings
from cluster.settings.settings import Settings, load_settings
from cluster.settings.sources import process_environment, secret_named
from pipelines.errors import ConfigurationError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
    from ray.serve._private import constants
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


def test_counts_reach_ray_once_a_second(settings: Settings) -> None:
    """Each router and each replica did it ten times a second, whether or not there was anything to count."""
    os.environ.pop(METRICS_INTERVAL, None)
    prepare_environment(settings)
    assert os.environ[METRICS_INTERVAL] == "1000"
    assert f'"{METRICS_INTERVAL}"' in inspect.getsource(constants), "the installed Ray reads it"


def test_the_operators_timeout_wins(settings: Settings) -> None:
    """Ray's switches are defaults."""
    os.environ[PROXY_READY_TIMEOUT] = "7"
    prepare_environment(settings)
    assert os.environ[PROXY_READY_TIMEOUT] == "7"


def test_what_dotenv_says_now(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A key that is added to ``.env``, rotated or removed after the start reaches processes in whatever folder."""
    os.environ.pop(KEY, None)
    monkeypatch.chdir(tmp_path)
    dotenv = tmp_path / ".env"
    dotenv.write_text(f"{KEY}=first\nWEBHOOK_SECRETS=\n")
    prepare_environment(load_settings(env={**process_environment(), "MEETMEMO_HOME": str(settings.home)}))
    assert KEY not in os.environ, "a process' environment cannot be changed once it runs"
    monkeypatch.chdir("/")
    key = secret_named(KEY)
    assert key() == "first"
    dotenv.write_text(f"{KEY}=second\n")
    assert key() == "second"
    dotenv.unlink()
    assert key() == ""
    assert not load_settings(flags={"home": settings.home}).llm_configured


def test_a_context_without_room_is_refused_at_once(settings: Settings) -> None:
    """A language model that no transcript fits into is told before anything starts, in one line."""
    minutes = MinutesSettings(base_url="http://gpu:8000/v1", context_tokens=2048)
    with pytest.raises(ConfigurationError, match=r"^minutes\.context_tokens: 2048 tokens .* no room for a transcript"):
        prepare_environment(settings.model_copy(update={"minutes": minutes}))
