"""Replicas are counted as Serve's own long poll tells them, without a question for each look."""

import asyncio
import warnings
from collections.abc import Callable
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # Ray declares its own settings in a way pydantic deprecated
    from ray.serve._private.common import DeploymentID, DeploymentTargetInfo
    from ray.serve._private.long_poll import LongPollHost, LongPollNamespace

    from cluster.serve.replica_counts import ReplicaCounts

from cluster.serve.config_file import APP_NAME
from cluster.serve.deployment_versions import transcriber_name
from tests.support.waiting import until


class _Answer:
    """Serve's answer to one poll, as Ray hands it out."""

    def __init__(self, task: asyncio.Task[Any]) -> None:
        self._task = task

    def _on_completed(self, callback: Callable[[Any], None]) -> None:
        def answer(done: asyncio.Task[Any]) -> None:
            if not done.cancelled():
                callback(done.result())

        self._task.add_done_callback(answer)


class Controller:
    """Serve's controller, of which only the real `LongPollHost` is there."""

    def __init__(self) -> None:
        self.host = LongPollHost()
        self.n_polls = 0
        self.listen_for_change = self
        self._tasks: list[asyncio.Task[Any]] = []

    def remote(self, snapshot_ids: dict[Any, int]) -> _Answer:
        self.n_polls += 1
        self._tasks.append(asyncio.create_task(self.host.listen_for_change(dict(snapshot_ids))))
        return _Answer(self._tasks[-1])

    def tell(self, model: str, n_replicas: int) -> None:
        deployment = DeploymentID(name=transcriber_name(model), app_name=APP_NAME)
        replicas: list[Any] = [object() for _ in range(n_replicas)]
        targets = DeploymentTargetInfo(is_available=True, running_replicas=replicas)
        key: Any = (LongPollNamespace.DEPLOYMENT_TARGETS, deployment)
        self.host.notify_changed({key: targets})

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()


async def test_the_controller_tells_how_many_replicas_there_are() -> None:
    """What was so before, each change, and the end of the last replica arrive; looks ask nothing."""
    controller = Controller()
    controller.tell("tiny", 1)
    controller.tell("other", 7)
    counts = ReplicaCounts(["tiny", "large"])
    assert counts() == {"tiny": 0, "large": 0}
    counts.follow(asyncio.get_running_loop(), controller)
    await until(lambda: counts() == {"tiny": 1, "large": 0})
    controller.tell("large", 3)
    await until(lambda: counts() == {"tiny": 1, "large": 3})
    controller.tell("tiny", 0)
    await until(lambda: counts() == {"tiny": 0, "large": 3} and controller.n_polls == 4)
    for _ in range(100):
        counts()
    await asyncio.sleep(0)
    assert controller.n_polls == 4
    controller.stop()
