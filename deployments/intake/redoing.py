"""`Redoing`: one stage of an ended job that is to be done again, with all that is known of it before it is begun."""

from dataclasses import dataclass

from pipelines.jobs.job import Job
from pipelines.jobs.options import JobOptions
from pipelines.jobs.stages import STAGES, Stage, Work


@dataclass(frozen=True, kw_only=True)
class Redoing:
    """A stage of ``job`` to do again; ids as in `pipelines.jobs.job.Job`, whose fields they become.

    ``audio_s`` are the seconds of the recording, each channel of split ones; ``source_sha256`` is the hash of the
    recording as it was submitted.
    """

    job: Job
    stage: Stage
    options: JobOptions
    redo_of: str = ""
    minutes_of: str = ""
    recording_of: str = ""
    corrected: str = ""
    audio_s: float = 0.0
    source_sha256: str = ""

    @property
    def work(self) -> Work:
        return STAGES[self.stage].work

    @property
    def writes_minutes(self) -> bool:
        """Whether minutes are written, which may take a language model."""
        return self.stage is not Stage.DOCUMENTS and self.options.minutes != "none"
