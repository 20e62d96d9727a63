"""Run a cluster in the foreground, from its start to its end.

A cluster started here belongs to the process that started it: ``meetmemo up`` in the foreground, or the process
``--detach`` leaves behind. `cluster.lifecycle.running_cluster` finds it again.
"""

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from types import FrameType

from cluster.lifecycle.application import deployed
from cluster.lifecycle.buildable import check_buildable
from cluster.lifecycle.environment import check_port, prepare_environment, prepare_home
from cluster.lifecycle.gpus import gpus_to_count
from cluster.lifecycle.haproxy import remove_proxy_files
from cluster.lifecycle.home_lock import owning
from cluster.lifecycle.reload import answer_request, is_asked, with_generation
from cluster.lifecycle.running_cluster import find_running, remove_state, write_state
from cluster.lifecycle.scrape_targets import keeping_targets, ray_agents
from cluster.lifecycle.storage_wait import wait_for_storage
from cluster.settings.private_files import OTHERS, keep_private, private_umask
from cluster.settings.settings import Settings
from cluster.wiring.authentication import complaints_about_keys
from cluster.wiring.models import real_model_hint
from pipelines.errors import ConfigurationError
from pipelines.ledger.open import connect_keys, connect_ledger
from pipelines.ledger.protocol import DrainMode
from pipelines.models.catalogue import resolve


def run_until_stopped(settings: Settings, announce: Callable[[str], None], reread: Callable[[], Settings]) -> None:
    """Start a cluster, ``announce`` its URL once it is ready, serve until SIGTERM or SIGINT, stop it.

    ``reread`` gives the settings anew: SIGHUP deploys them; see `cluster.lifecycle.reload`. In a terminal SIGHUP
    without a request is its end, and stops the cluster.

    Raises `ConfigurationError` when this home's cluster runs already or the port is taken.
    """
    os.umask(OTHERS)  # nothing that this process writes is for others
    _stop_on_signals()
    hung_up: SimpleQueue[None] = SimpleQueue()  # its `put` may interrupt its `get`, which an event's may not
    in_terminal = sys.stdin is not None and sys.stdin.isatty()

    def hang_up(number: int, frame: FrameType | None) -> None:
        if in_terminal and not is_asked(settings):
            raise KeyboardInterrupt
        hung_up.put(None)

    signal.signal(signal.SIGHUP, hang_up)
    settings = with_generation(settings)
    try:
        # Ray puts handlers of its own in place when it starts; they abort the process.
        with serving(settings, connected=_stop_on_signals):
            announce(settings.url)
            while True:
                hung_up.get()
                settings = answer_request(settings, reread)
    except KeyboardInterrupt:
        pass


def _stop_on_signals() -> None:
    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, interrupt)


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


@contextlib.contextmanager
def serving(
    settings: Settings,
    *,
    connected: Callable[[], None] = lambda: None,
    quiet: bool = False,
    say: Callable[[str], None] = _to_stderr,
) -> Iterator[None]:
    """Run a cluster for the duration of the block; waits for an unreachable ledger or store, and says so.

    ``connected`` is called once Ray runs. ``quiet`` keeps the replicas' logs off this terminal; Ray writes them to
    files all the same. The files of the cluster are its user's alone; what this process writes meanwhile need not be.
    Raises `ConfigurationError`, and `ModelError` for a configured model that is not there.
    """
    running = find_running(settings)
    if running is not None:
        raise ConfigurationError(f"A cluster of {settings.home} runs already (process {running.pid}, {running.url}).")
    for model in settings.models:
        resolve(model.path or model.name, settings.models_dir)
    prepare_home(settings)
    with owning(settings.home):
        remove_state(settings)  # of a cluster that was killed
        if not settings.ray.address:  # there the port may be that of the application that is taken over
            check_port(settings)
        with private_umask():
            keep_private(settings, say)
            wait_for_storage(settings, say)
            _end_drain(settings)
            prepare_environment(settings)
            check_buildable(settings)
            check_authentication(settings, say)
        if hint := real_model_hint(settings):
            say(hint)
        n_gpus = gpus_to_count(settings, say)
        with deployed(settings, connected=connected, quiet=quiet, n_gpus=n_gpus):
            write_state(settings)
            try:
                with keeping_targets(settings.targets_dir, settings.url, ray_agents):
                    yield
            finally:
                remove_state(settings)
                remove_proxy_files(settings)


def check_authentication(settings: Settings, say: Callable[[str], None]) -> None:
    """Raise `ConfigurationError` for an authenticator that cannot be built; say so when there is no key yet."""
    from cluster.wiring.authentication import build_authenticator  # not for every command: it takes the web framework

    keys = connect_keys(settings.ledger_url)
    build_authenticator(settings, keys)
    known = keys.list()
    if settings.auth.mode == "keys" and not known:
        say("There is no API key yet: make one with `meetmemo keys create`.")
    for complaint in complaints_about_keys(known):
        say(complaint)


def _end_drain(settings: Settings) -> None:
    """Take the ledger out of drain mode: a cluster that starts begins jobs, whatever mode its predecessor was in."""
    with contextlib.closing(connect_ledger(settings.ledger_url)) as ledger:
        ledger.set_drain_mode(DrainMode.OFF)
