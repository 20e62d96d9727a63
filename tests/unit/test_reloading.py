"""Requests for a reload: asked, answered, refused; a restart that is remembered."""

import os
import signal
import threading
from pathlib import Path

import pytest

from cluster import reloading
from cluster.settings import Settings
from pipelines.errors import ConfigurationError


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    (tmp_path / "run").mkdir()
    return Settings(home=tmp_path)


@pytest.fixture
def hung_up(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Set where the cluster's process would get SIGHUP."""
    event = threading.Event()

    def kill(pid: int, number: int) -> None:
        assert (pid, number) == (7, signal.SIGHUP)
        event.set()

    monkeypatch.setattr(os, "kill", kill)
    return event


def test_a_request_is_answered(settings: Settings, hung_up: threading.Event) -> None:
    """Settings that cannot be read are told to whoever asked, and those that hold stay."""
    held: list[Settings] = []

    def refuse() -> Settings:
        raise ConfigurationError("no such file")

    def cluster() -> None:
        hung_up.wait(30)
        assert reloading.is_asked(settings)
        held.append(reloading.answer_request(settings, refuse))

    thread = threading.Thread(target=cluster)
    thread.start()
    answer = reloading.request(settings, 7, restart=False, timeout_s=30)
    thread.join()
    assert (answer.failed, answer.said) == (True, "no such file")
    assert held == [settings]
    assert not reloading.is_asked(settings)


def test_nobody_answers(settings: Settings, hung_up: threading.Event) -> None:
    """After the time is up the command says so, and the request stays asked."""
    with pytest.raises(ConfigurationError, match="has not answered"):
        reloading.request(settings, 7, restart=False, timeout_s=0)
    assert hung_up.is_set()
    assert reloading.is_asked(settings)


def test_a_restart_is_remembered(settings: Settings, hung_up: threading.Event) -> None:
    """Whoever starts the cluster next uses the same generation: replicas that run already are not replaced again."""
    assert reloading.with_generation(settings) == settings
    with pytest.raises(ConfigurationError):
        reloading.request(settings, 7, restart=True, timeout_s=0)
    assert hung_up.is_set()
    first = reloading.with_generation(settings)
    assert first.ray.generation
    assert reloading.with_generation(settings) == first
