"""``meetmemo reload``: other settings for a running cluster. What need not restart runs on, the rest restarts in turn.

The command writes a request into the home's ``run`` folder and sends SIGHUP to the cluster's process, which reads the
settings again as it did at its start, deploys, and writes what it did beside the request.
"""

import json
import signal
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from cluster.lifecycle.buildable import check_buildable
from cluster.lifecycle.running_cluster import RunningCluster
from cluster.serve.deployment_versions import Changes, check_change
from cluster.settings.settings import Settings
from cluster.wiring.minutes_writers import check_language_model
from pipelines.errors import ConfigurationError, MeetMemoError
from pipelines.storage.atomic_write import write_atomic

POLL_S = 0.2


@dataclass(frozen=True, kw_only=True)
class Answer:
    """The outcome of a reload: ``said`` names the changes, or with ``failed`` the reason why nothing changed."""

    request: str
    said: str
    failed: bool = False


def with_generation(settings: Settings) -> Settings:
    """Return settings whose replicas are those of the last `request` with ``restart``, also after a start anew."""
    try:
        asked = _generation_file(settings).read_text()
    except OSError:
        return settings
    ray = settings.ray.model_copy(update={"generation": f"{settings.ray.generation}/{asked}"})
    return settings.model_copy(update={"ray": ray})


def request(settings: Settings, running: RunningCluster, *, restart: bool, timeout_s: float) -> Answer:
    """Ask the cluster's process for a reload and wait for its answer; ``restart`` replaces all replicas.

    Raises `ConfigurationError` when there is no answer in time, or no such process any more.
    """
    name = f"{time.time():.6f}"
    if restart:
        write_atomic(_generation_file(settings), name)
    write_atomic(_request_file(settings), name)
    if not running.signal(signal.SIGHUP):
        raise ConfigurationError("The cluster has ended meanwhile.")
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        try:
            answer = Answer(**json.loads(_answer_file(settings).read_text()))
        except FileNotFoundError:
            answer = None
        if answer is not None and answer.request == name:
            return answer
        time.sleep(POLL_S)
    raise ConfigurationError(f"The cluster has not answered within {timeout_s:.0f} s; its log says how far it is.")


def is_asked(settings: Settings) -> bool:
    """Return whether there is a request without an answer."""
    try:
        asked = _request_file(settings).read_text()
        return Answer(**json.loads(_answer_file(settings).read_text())).request != asked
    except FileNotFoundError:
        return _request_file(settings).exists()


def answer_request(settings: Settings, reread: Callable[[], Settings]) -> Settings:
    """Read the settings again and deploy them; return those that hold now, and leave an answer.

    When the new ones cannot be deployed, the earlier ones are.
    """
    try:
        name = _request_file(settings).read_text()
    except OSError:
        name = ""  # a plain `kill -HUP`
    try:
        after = with_generation(reread())
        said = str(_deploy(settings, after))
    except MeetMemoError as error:
        write_atomic(_answer_file(settings), json.dumps(asdict(Answer(request=name, said=str(error), failed=True))))
        return settings
    write_atomic(_answer_file(settings), json.dumps(asdict(Answer(request=name, said=said))))
    return after


def _deploy(before: Settings, after: Settings) -> Changes:
    """Deploy other settings where others run. Raises `ConfigurationError`, `ModelError`."""
    from cluster.app import deploy, plan_now  # Ray is connected here, and nowhere else

    check_change(before, after)
    check_language_model(after)
    check_buildable(after)  # secrets too: what is wrong in their files would show at the next delivery only
    changes = Changes.between(plan_now(before), plan_now(after))
    try:
        deploy(after)
    except RuntimeError as error:
        deploy(before)
        raise ConfigurationError(f"The new settings do not run, the earlier ones hold: {error}") from None
    return changes


def _request_file(settings: Settings) -> Path:
    return settings.run_dir / "reload-request"


def _answer_file(settings: Settings) -> Path:
    return settings.run_dir / "reload-answer.json"


def _generation_file(settings: Settings) -> Path:
    return settings.run_dir / "generation"
