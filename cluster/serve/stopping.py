"""Tell a replica's code that Serve stops it, at the beginning of its grace period.

Serve calls a destructor after the last request has ended, or kills the process when the period is over: nothing tells
those who wait for hours, or send slowly, that nobody will answer them.
"""

from collections.abc import Callable

from ray.serve._private.replica import Replica


def call_when_stopped(call: Callable[[float], None]) -> None:
    """Call with the seconds until this process is killed as soon as Serve begins to stop this replica.

    It is called on another thread than the replica's code runs on, and again when the controller was restarted
    meanwhile.
    """
    begin = Replica.perform_graceful_shutdown

    async def perform_graceful_shutdown(self: Replica) -> None:
        call(self._deployment_config.graceful_shutdown_timeout_s)
        await begin(self)  # type: ignore[no-untyped-call]  # Ray leaves it untyped

    Replica.perform_graceful_shutdown = perform_graceful_shutdown  # type: ignore[method-assign]  # Ray has no hook
