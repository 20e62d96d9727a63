"""Requests for a reload: asked, answered, refused; a restart that is remembered."""

import signal
import threading
import warnings
from pathlib import Path

import pytest

from cluster.lifecycle import reload
from cluster.lifecycle.running_cluster import RunningCluster
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray Serve warns about itself when it is imported
    from cluster import app

RUNNING = RunningCluster(pid=7, url="http://127.0.0.1:8000", log="", started="then")


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "run").mkdir()
    return Settings(home=tmp_path)


@pytest.fixture
def hung_up(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set where the cluster's process would get SIGHUP."""
    event = threading.Event()

    def send_signal(pid: int, started: str, number: signal.Signals) -> bool:
        assert (pid, started, number) == (7, "then", signal.SIGHUP)
        event.set()
        return True

    monkeypatch.setattr("cluster.lifecycle.running_cluster.send_signal", send_signal)
    return event


def test_a_request_is_answered(settings: Settings, hung_up: threading.Event) -> None:
    """Settings that cannot be read are told to whoever asked, and those that hold stay."""
    held: list[Settings] = []

    def refuse() -> Settings:
        raise ConfigurationError("no such file")

    def cluster() -> None:
        hung_up.wait(30)
        assert reload.is_asked(settings)
        held.append(reload.answer_request(settings, refuse))

    thread = threading.Thread(target=cluster)
    thread.start()
    answer = reload.request(settings, RUNNING, restart=False, timeout_s=30)
    thread.join()
    assert (answer.failed, answer.said) == (True, "no such file")
    assert held == [settings]
    assert not reload.is_asked(settings)


def test_nobody_answers(settings: Settings, hung_up: threading.Event) -> None:
    """After the time is up the command says so, and the request stays asked."""
    with pytest.raises(ConfigurationError, match="has not answered"):
        reload.request(settings, RUNNING, restart=False, timeout_s=0)
    assert hung_up.is_set()
    assert reload.is_asked(settings)
    assert {path.stat().st_mode & 0o777 for path in settings.run_dir.iterdir()} == {0o600}


def test_a_restart_is_remembered(settings: Settings, hung_up: threading.Event) -> None:
    """Whoever starts the cluster next uses the same generation: replicas that run already are not replaced again."""
    assert reload.with_generation(settings) == settings
    with pytest.raises(ConfigurationError):
        reload.request(settings, RUNNING, restart=True, timeout_s=0)
    assert hung_up.is_set()
    first = reload.with_generation(settings)
    assert first.ray.generation
    assert reload.with_generation(settings) == first


def test_a_process_that_took_over_the_id_is_not_signalled(settings: Settings) -> None:
    """The cluster ended after it was found: the command says so, and the request does not wait for an answer."""
    with pytest.raises(ConfigurationError, match="ended meanwhile"):
        reload.request(settings, RUNNING, restart=False, timeout_s=30)


def test_a_damaged_secret_is_told(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A wrong webhook secret in a file that was changed meanwhile: nothing is deployed, the file is named."""
    folder = tmp_path / "webhooks"
    folder.mkdir()
    (folder / "acme").write_text("whsec_short")
    monkeypatch.setenv("WEBHOOK_SECRETS_DIR", str(folder))
    (settings.run_dir / "reload-request").write_text("7")
    monkeypatch.setattr(app, "deploy", lambda _: pytest.fail("it was deployed"))
    monkeypatch.setattr(app, "plan_now", lambda _: pytest.fail("it was planned"))
    assert reload.answer_request(settings, lambda: settings) == settings
    answer = (settings.run_dir / "reload-answer.json").read_text()
    assert '"failed": true' in answer
    assert f"In {folder}/acme, the file of the tenant acme: webhook secret 1 is not whsec_" in answer
    assert "short" not in answer
