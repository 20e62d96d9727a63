"""Set up the process of a replica, whichever deployment it belongs to."""

import os
import sys
from collections.abc import Sequence

from ray import serve

from cluster.serve.config_file import APP_NAME
from cluster.serve.deployment_versions import coordinator_name
from cluster.serve.loopback import keep_replica_on_loopback
from cluster.settings.private_files import OTHERS
from cluster.settings.settings import Settings
from cluster.wiring.logging import observe
from deployments.handles import CoordinatorHandle
from deployments.shards import CoordinatorShards, WorkOfShards


def begin_process(settings: Settings) -> None:
    """Set up this replica's process."""
    os.umask(OTHERS)  # Ray may have been started without MeetMemo
    keep_own_streams()
    observe(settings)
    keep_replica_on_loopback()


def keep_own_streams() -> None:
    """Write our logs to this process' own stderr: told to log to files only, Serve redirects both streams there."""
    for name in ("stdout", "stderr"):
        own = getattr(sys, f"__{name}__")
        if own is not None:
            setattr(sys, name, own)


def coordinator_handle(index: int = 0) -> CoordinatorHandle:
    """Return the Coordinator of a shard of the running application, looked up when it is first called."""
    return CoordinatorHandle(lambda: serve.get_deployment_handle(coordinator_name(index), app_name=APP_NAME))


def as_one(coordinators: Sequence[CoordinatorHandle]) -> CoordinatorHandle | CoordinatorShards:
    """Return the Coordinators of all shards, in order, behind the ports of one."""
    return CoordinatorShards(coordinators) if len(coordinators) > 1 else coordinators[0]


def work_source() -> WorkOfShards:
    """Return the Coordinators of the running application as a Transcriber calls them."""
    return WorkOfShards(coordinator_handle)
