"""Serve's router for deployments that refuse no call: each is one message and its answer.

Serve's own router has every replica say first whether it accepts the call, as the first item of a stream whose second
is the answer. That is for replicas that may be full. It takes a third of the processor time of a small call.

Serve carries these classes to its routers by value: this module imports nothing of ours.
"""

from functools import partial
from typing import Any

from ray.serve._private.common import ReplicaQueueLengthInfo, RunningReplicaInfo
from ray.serve._private.replica_result import ReplicaResult
from ray.serve._private.request_router.common import PendingRequest, ReplicaQueueLengthCache
from ray.serve._private.request_router.pow_2_router import PowerOfTwoChoicesRequestRouter
from ray.serve._private.request_router.replica_wrapper import RunningReplica


async def _accepted(calls: ReplicaQueueLengthCache, replica_id: Any) -> ReplicaQueueLengthInfo:
    """Say that the replica takes the call, beside those that it has of this router already."""
    return ReplicaQueueLengthInfo(accepted=True, num_ongoing_requests=calls.get(replica_id) or 0)


class AcceptingReplica(RunningReplica):
    """A replica as a router knows it, to which calls go without a question."""

    def __init__(self, info: RunningReplicaInfo, calls: ReplicaQueueLengthCache) -> None:
        """Take the router's count of its own calls of each replica."""
        super().__init__(info)
        self._calls = calls

    def try_send_request(self, pr: PendingRequest, with_rejection: bool) -> ReplicaResult:
        """Send a call; the router, which asks, is told at once that it is accepted."""
        result = super().try_send_request(pr, with_rejection=False)
        result.get_rejection_response = partial(_accepted, self._calls, self.replica_id)  # type: ignore[method-assign]
        return result


class AcceptingRouter(PowerOfTwoChoicesRequestRouter):
    """Chooses replicas as Serve does, by their open calls; counts those of its own process alone.

    More calls than ``max_ongoing_requests`` wait in the replica. A call of a replica that has died, which nobody knew,
    is lost to the caller; Serve's own router makes it again elsewhere.
    """

    def create_replica_wrapper(self, replica_info: RunningReplicaInfo) -> RunningReplica:
        """Return the replica as this router calls it."""
        return AcceptingReplica(replica_info, self.replica_queue_len_cache)
