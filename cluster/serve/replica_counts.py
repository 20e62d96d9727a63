"""`ReplicaCounts`: how many replicas each model has, as Serve's controller tells every router.

Serve has no public way to be told. Its status, the public way to ask, returns the settings of every deployment,
checks them as they come, and takes some 40 ms of processor time.
"""

from asyncio import AbstractEventLoop
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import ray
from ray.serve._private.common import DeploymentID, DeploymentTargetInfo
from ray.serve._private.constants import SERVE_CONTROLLER_NAME, SERVE_NAMESPACE
from ray.serve._private.long_poll import LongPollClient, LongPollNamespace

from cluster.serve.config_file import APP_NAME
from cluster.serve.deployment_versions import transcriber_name

Told = Callable[[DeploymentTargetInfo], None]


class ReplicaCounts:
    """Holds the running replicas of each model; the controller tells every change. Thread-safe.

    Until the controller's first word, which comes at once, a model has none.
    """

    def __init__(self, models: Iterable[str]) -> None:
        """Take the models whose Transcribers are counted."""
        self._counts = dict.fromkeys(models, 0)
        self._client: LongPollClient | None = None

    def __call__(self) -> Mapping[str, int]:
        """Return the replicas of each model."""
        return dict(self._counts)

    def follow(self, loop: AbstractEventLoop, controller: Any = None) -> None:
        """Have the controller, by default that of the connected cluster, tell changes in ``loop``, which runs."""
        self._client = LongPollClient(
            controller or ray.get_actor(SERVE_CONTROLLER_NAME, namespace=SERVE_NAMESPACE),
            self._listeners(),
            call_in_event_loop=loop,
            client_id=f"{APP_NAME} {type(self).__name__}",
        )

    def _listeners(self) -> dict[Any, Told]:
        return {
            (LongPollNamespace.DEPLOYMENT_TARGETS, DeploymentID(name=transcriber_name(model), app_name=APP_NAME)): (
                partial(self._count, model)
            )
            for model in self._counts
        }

    def _count(self, model: str, targets: DeploymentTargetInfo) -> None:
        self._counts[model] = len(targets.running_replicas)
