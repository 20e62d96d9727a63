"""`JobStories`: remembers what happened to jobs lately, and why, for operators."""

import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass, field

from deployments.ports import StoryEntry

FIRST_ENTRIES = 20
LAST_ENTRIES = 180
MAX_JOBS = 512


@dataclass
class _Story:
    first: list[StoryEntry] = field(default_factory=list)
    last: deque[StoryEntry] = field(default_factory=lambda: deque(maxlen=LAST_ENTRIES))

    def add(self, entry: StoryEntry) -> None:
        (self.first if len(self.first) < FIRST_ENTRIES else self.last).append(entry)


class JobStories:
    """Keeps the first and the last entries of the jobs with the latest events, in memory only.

    Bounds: `MAX_JOBS` jobs, `FIRST_ENTRIES` + `LAST_ENTRIES` entries each. An entry names no recording: it holds
    numbers, states, reasons and the last line of errors.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        """Take a ``clock`` of Unix seconds."""
        self._clock = clock
        self._stories: OrderedDict[str, _Story] = OrderedDict()

    def add(self, job_id: str, what: str, *, stimulus_id: str, state: str, commands: tuple[str, ...] = ()) -> None:
        """Add an entry to a job's story, now."""
        story = self._stories.setdefault(job_id, _Story())
        self._stories.move_to_end(job_id)
        story.add(StoryEntry(at_s=self._clock(), stimulus_id=stimulus_id, what=what, state=state, commands=commands))
        if len(self._stories) > MAX_JOBS:
            self._stories.popitem(last=False)

    def of(self, job_id: str) -> tuple[StoryEntry, ...]:
        """Return a job's entries, oldest first; empty for a job that is not remembered."""
        story = self._stories.get(job_id)
        return (*story.first, *story.last) if story else ()

    def forget(self, job_id: str) -> None:
        """Drop a job's story."""
        self._stories.pop(job_id, None)
