"""Draining a node before its pod ends: announce, wait, and end in time whatever Ray does."""

import pytest

from cluster.lifecycle.node_drain import drain_node, replica_on


class Node:
    """A node whose replicas end one by one, a second each; ``gone_after`` rounds Ray does not answer any more."""

    def __init__(self, *replicas: str, refusal: str = "", gone_after: int | None = None) -> None:
        self.left = list(replicas)
        self.refusal = refusal
        self.gone_after = gone_after
        self.announced_s: list[float] = []
        self.now_s = 0.0

    def drain(self, timeout_s: float) -> str:
        self.announced_s.append(timeout_s)
        return self.refusal

    def replicas(self) -> list[str]:
        assert self.announced_s, "asked before the node's end was announced"
        if self.gone_after is not None and self.now_s >= self.gone_after:
            raise ConnectionError("the GCS is gone")
        return list(self.left)

    def clock(self) -> float:
        return self.now_s

    def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        self.left = self.left[1:]


def test_waits_until_no_replica_is_left() -> None:
    """The end is announced once, with the time that is granted; the command returns with the last replica."""
    node = Node("a", "b", "c")
    assert drain_node(node, 60, clock=node.clock, sleep=node.sleep) == []
    assert node.announced_s == [60]
    assert node.now_s == 3


def test_ends_when_the_time_is_over() -> None:
    """Replicas that do not end are told; the kubelet's time is not used up."""
    node = Node(*"abcdefghij")
    assert drain_node(node, 4, clock=node.clock, sleep=node.sleep) == list("efghij")
    assert node.now_s == 4


def test_a_node_that_ray_has_ended_is_empty() -> None:
    """Ray ends a drained node by itself: then nobody answers, and there is nothing to wait for."""
    node = Node(*"abcdefghij", gone_after=2)
    assert drain_node(node, 60, clock=node.clock, sleep=node.sleep) == []
    assert node.now_s == 2


def test_a_refusal_is_told_and_nothing_is_waited_for() -> None:
    """Ray may refuse, such as for a head; the pod ends at once then."""
    node = Node("a", refusal="is the head")
    with pytest.raises(RuntimeError, match="is the head"):
        drain_node(node, 60, clock=node.clock, sleep=node.sleep)
    assert node.now_s == 0


def test_only_living_replicas_of_this_node_count() -> None:
    """Proxies and the controller are not waited for, nor replicas elsewhere or dead ones."""

    def actor(name: str, node: str = "here", state: str = "ALIVE") -> dict[str, object]:
        return {"Name": name, "State": state, "Address": {"NodeID": node}}

    assert replica_on("here", actor("SERVE_REPLICA::meetmemo#Segmenter#x1")) == "SERVE_REPLICA::meetmemo#Segmenter#x1"
    assert replica_on("here", actor("SERVE_REPLICA::meetmemo#Segmenter#x1", node="there")) == ""
    assert replica_on("here", actor("SERVE_REPLICA::meetmemo#Segmenter#x1", state="DEAD")) == ""
    assert replica_on("here", actor("SERVE_PROXY_ACTOR-1")) == ""
