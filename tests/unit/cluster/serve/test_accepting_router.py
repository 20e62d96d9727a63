"""Calls of deployments that refuse none go without Serve's question whether there is room."""

import warnings
from typing import Any

import pytest

from cluster.serve.deployment_versions import DIARIZER, INGESTION, MINUTES_WRITER, SEGMENTER, coordinator_names
from cluster.settings.sections import CoordinatorSettings, ModelSettings
from cluster.settings.settings import Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray declares its own settings in a way pydantic deprecated
    import ray
    from ray import serve
    from ray.serve._private.common import DeploymentID, ReplicaID, RequestMetadata, RunningReplicaInfo
    from ray.serve._private.request_router.common import PendingRequest, ReplicaQueueLengthCache
    from ray.serve._private.request_router.replica_wrapper import RunningReplica

    from cluster.app import build_app
    from cluster.serve.accepting_router import AcceptingReplica, AcceptingRouter


class Sent(Exception):
    """Raised in place of sending a stream's call; names the replica's method."""


class Method:
    """A method of a replica's actor; what it would answer is its name."""

    def __init__(self, name: str) -> None:
        self.name = name

    def options(self, **_: Any) -> "Method":
        return self

    def remote(self, *_: Any, **__: Any) -> Any:
        if self.name != "handle_request":
            raise Sent(self.name)
        return self.name


class Actor:
    """A replica's actor."""

    _actor_id = None

    def __getattr__(self, name: str) -> Method:
        return Method(name)


@pytest.fixture
def info(monkeypatch: pytest.MonkeyPatch) -> RunningReplicaInfo:
    """What Serve's controller tells of a replica."""
    monkeypatch.setattr(RunningReplicaInfo, "get_actor_handle", lambda self: Actor())
    replica = ReplicaID(unique_id="one", deployment_id=DeploymentID(name="Coordinator"))
    return RunningReplicaInfo(
        replica_id=replica,
        node_id=None,
        node_ip="127.0.0.1",
        availability_zone=None,
        actor_name="one",
        max_ongoing_requests=10_000,
        port=1,
    )


def call(*, stream: bool = False) -> PendingRequest:
    metadata = RequestMetadata(request_id="r", internal_request_id="i", call_method="wake", is_streaming=stream)
    return PendingRequest(args=[], kwargs={}, metadata=metadata)


async def test_a_call_is_one_message(info: RunningReplicaInfo) -> None:
    """The plain method takes it, and its acceptance is known without an answer; Serve's own replica is asked first."""
    calls = ReplicaQueueLengthCache()
    calls.update(info.replica_id, 3)
    result = AcceptingReplica(info, calls).try_send_request(call(), with_rejection=True)
    assert result.to_object_ref() == "handle_request"
    accepted = await result.get_rejection_response()
    assert accepted is not None
    assert accepted.accepted
    assert accepted.num_ongoing_requests == 3, "the router's own count, which an answer would correct"
    with pytest.raises(Sent, match=r"^handle_request_with_rejection$"):
        RunningReplica(info).try_send_request(call(), with_rejection=True)


async def test_a_stream_begins_with_its_first_item(info: RunningReplicaInfo) -> None:
    """Not with a word about room."""
    with pytest.raises(Sent, match=r"^handle_request_streaming$"):
        AcceptingReplica(info, ReplicaQueueLengthCache()).try_send_request(call(stream=True), with_rejection=True)


@pytest.mark.filterwarnings("ignore:The `metrics_interval_s` field:DeprecationWarning")
@pytest.mark.parametrize("shards", [1, 2])
def test_who_is_called_so(monkeypatch: pytest.MonkeyPatch, shards: int) -> None:
    """The Coordinators and the MinutesWriter, and the Segmenter that one Coordinator calls: it alone counts its calls.

    Where several call a Segmenter, and for Transcribers and Diarizers, each call asks for room.
    """
    monkeypatch.setattr(ray, "cluster_resources", lambda: {"CPU": 4.0})
    monkeypatch.setattr(ray, "nodes", list)
    routers: dict[str, Any] = {}
    make = serve.deployment

    def note(*, name: str, request_router_config: Any = None, **options: Any) -> Any:
        routers[name] = (request_router_config or {}).get("request_router_class")
        return make(name=name, **options)

    monkeypatch.setattr(serve, "deployment", note)
    settings = Settings(
        models=(ModelSettings(name="tiny"),),
        coordinator=CoordinatorSettings(shards=shards),
        ledger_url="postgresql+psycopg://meetmemo@localhost/meetmemo" if shards > 1 else "",
    )
    build_app(settings.model_dump())
    accepting = {name for name, router in routers.items() if router}
    assert {routers[name] for name in accepting} == {f"{AcceptingRouter.__module__}:{AcceptingRouter.__name__}"}
    assert accepting == {*coordinator_names(settings), MINUTES_WRITER, *([SEGMENTER] if shards == 1 else [])}
    assert routers.keys() - accepting >= {INGESTION, DIARIZER, "Transcriber-tiny"}
