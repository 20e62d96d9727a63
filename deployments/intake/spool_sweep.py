"""Sweep leftovers from the spool folder now and again, and measure what lies there."""

import asyncio
import fcntl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import structlog

from deployments.intake.spool_space import SUFFIX
from pipelines.errors import MeetMemoError

SWEEP_INTERVAL_S = 300.0
_UNNAMED_S = 3600.0  # a file is without its suffix for the moment between its creation and its lock
_UNNAMED = "[0-9a-f]" * 32

log = structlog.get_logger(__name__)


def sweep(folder: Path, *, now_s: float | None = None) -> int:
    """Create the spool folder, delete files left by ended processes; return how many.

    ``now_s`` is Unix seconds, the present where it is left out.
    """
    folder.mkdir(parents=True, exist_ok=True)
    n_deleted = 0
    for path in folder.glob(f"*{SUFFIX}"):
        try:
            with path.open("rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                path.unlink()
                n_deleted += 1
        except (BlockingIOError, FileNotFoundError):
            continue  # a living process writes it, or has just discarded it
    before_s = (time.time() if now_s is None else now_s) - _UNNAMED_S
    for path in folder.glob(_UNNAMED):
        with suppress(FileNotFoundError):
            if path.stat().st_mtime < before_s:
                path.unlink()
                n_deleted += 1
    return n_deleted


@dataclass(frozen=True, kw_only=True)
class SpoolUse:
    """Uploads of one kind: their number, their size, and the seconds the oldest has been idle, or under way."""

    n_files: int = 0
    n_bytes: int = 0
    idle_s: float = 0.0


def spool_use(folder: Path, now_s: float) -> SpoolUse:
    """Return what lies in the spool folder. Blocks."""
    found = []
    for path in folder.glob(f"*{SUFFIX}"):
        with suppress(FileNotFoundError):
            found.append(path.stat())
    return SpoolUse(
        n_files=len(found),
        n_bytes=sum(file.st_size for file in found),
        idle_s=max((max(0.0, now_s - file.st_mtime) for file in found), default=0.0),
    )


@dataclass(frozen=True, kw_only=True)
class SpoolSweeper:
    """Runs functions that delete what is left behind, each in a thread, again and again; one that fails is tried later.

    ``sleep`` waits for so many seconds.
    """

    sweeps: Sequence[Callable[[], object]]
    interval_s: float = SWEEP_INTERVAL_S
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep

    @asynccontextmanager
    async def running(self, _app: object = None) -> AsyncIterator[None]:
        """Sweep for as long as the context lasts; an application's ``lifespan``."""
        task = asyncio.create_task(self._run())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self.sleep(self.interval_s)
            for sweep_once in self.sweeps:
                try:
                    await asyncio.to_thread(sweep_once)
                except (OSError, MeetMemoError) as error:
                    log.warning("spool folder not swept", action="sweep_failed", detail=str(error))
