"""Serve tells nobody that it stops a replica; this does, with the installed version of Ray."""

import inspect
import warnings
from types import SimpleNamespace
from typing import Any

import pytest

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray uses pydantic in ways that it deprecates
    from ray.serve._private.replica import Replica, ReplicaActor

    from cluster.serve.stopping import call_when_stopped


def test_serve_stops_a_replica_as_expected() -> None:
    """The controller's call comes to this method, and the replica knows its grace period by this name."""
    actor = inspect.unwrap(ReplicaActor.perform_graceful_shutdown)
    assert "self._replica_impl.perform_graceful_shutdown()" in inspect.getsource(actor)
    assert "self._deployment_config.graceful_shutdown_timeout_s" in inspect.getsource(
        Replica._perform_graceful_shutdown
    )


async def test_the_code_hears_of_it_before_the_shutdown(monkeypatch: pytest.MonkeyPatch) -> None:
    """With the seconds that are left, and then Serve goes on as ever."""
    heard: list[Any] = []

    async def shut_down(self: Any) -> None:
        heard.append("shut down")

    monkeypatch.setattr(Replica, "perform_graceful_shutdown", shut_down)
    call_when_stopped(heard.append)
    replica: Any = SimpleNamespace(_deployment_config=SimpleNamespace(graceful_shutdown_timeout_s=35.0))
    await Replica.perform_graceful_shutdown(replica)
    assert heard == [35.0, "shut down"]
