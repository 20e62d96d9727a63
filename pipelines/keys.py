"""Blob keys of a job: always generated, never taken from outside."""

from dataclasses import dataclass

AUDIO_MARKS = "audio-kept/"  # beside the tenants
UPLOAD_MARKS = "uploads-open/"  # the same


@dataclass(frozen=True, kw_only=True)
class JobKeys:
    """Where the parts of one job lie in the blob store.

    ``results/`` and ``quarantine/`` stay until retention removes them, ``audio/`` for a shorter time; everything under
    ``work/`` and the source go when the job ends.
    """

    tenant: str
    job_id: str

    @property
    def root(self) -> str:
        return f"{self.tenant}/{self.job_id}/"

    @property
    def source(self) -> str:
        return f"{self.root}source"

    @property
    def work(self) -> str:
        return f"{self.root}work/"

    @property
    def spans(self) -> str:
        return f"{self.work}spans/"

    @property
    def chunks(self) -> str:
        return f"{self.work}chunks/"

    def pcm(self, channel: int, span: int) -> str:
        """Samples of a span: int16 mono little-endian at 16 kHz."""
        return f"{self.work}pcm/{channel}-{span:06d}"

    def span(self, index: int) -> str:
        """Chunk table of a span: `pipelines.core.Span` as JSON."""
        return f"{self.spans}{index:06d}.json"

    @property
    def summary(self) -> str:
        """What the Segmenter found at the end: `pipelines.core.SourceSummary` as JSON."""
        return f"{self.work}summary.json"

    def chunk(self, index: int, cut: str) -> str:
        """Result of a chunk as it was cut (`WorkItem.cut`): `pipelines.core.ChunkResult` as JSON."""
        return f"{self.chunks}{index:06d}-{cut}.json"

    @property
    def failures(self) -> str:
        return f"{self.work}failures/"

    def failure(self, index: int, cut: str) -> str:
        """Says that a chunk was given up: `pipelines.core.ChunkResult` with an error, as JSON.

        Apart from the results, so that a Coordinator that lost its lease cannot write over one.
        """
        return f"{self.failures}{index:06d}-{cut}.json"

    @property
    def languages(self) -> str:
        return f"{self.work}languages/"

    def language(self, channel: int) -> str:
        """Language of a channel: `pipelines.core.LanguageVote` as JSON."""
        return f"{self.languages}{channel}.json"

    @property
    def quarantine(self) -> str:
        return f"{self.root}quarantine/"

    def quarantined(self, index: int) -> str:
        """Folder of a chunk that was given up; see `deployments.quarantine`."""
        return f"{self.quarantine}{index:06d}/"

    @property
    def kept(self) -> str:
        """What stitching a job with quarantined chunks again takes: `deployments.quarantine.Kept` as JSON."""
        return f"{self.quarantine}kept.json"

    @property
    def audio(self) -> str:
        return f"{self.root}audio/"

    @property
    def playback(self) -> str:
        """The compressed copy of a job that keeps its recording for a while: `pipelines.playback`."""
        return f"{self.audio}copy.webm"

    @property
    def peaks(self) -> str:
        """The copy's waveform: `pipelines.playback.Peaks` as JSON."""
        return f"{self.audio}peaks.json"

    @property
    def audio_mark(self) -> str:
        """Says that a job keeps its recording: what is to expire is found without looking at every job."""
        return f"{AUDIO_MARKS}{self.tenant}/{self.job_id}"

    @property
    def upload_mark(self) -> str:
        """What was announced of a job whose recording is being put: `deployments.direct_uploads.DirectUpload`."""
        return f"{UPLOAD_MARKS}{self.tenant}/{self.job_id}"

    @property
    def transcript(self) -> str:
        """The stitched transcript: `pipelines.core.Transcript` as JSON, kept so that minutes can be written anew."""
        return f"{self.root}results/.transcript"

    def corrected(self, name: str) -> str:
        """A corrected version of the transcript, by its name in the ledger (`pipelines.corrections.blob_name`)."""
        return f"{self.root}results/.corrected/{name}"

    @property
    def rewritings(self) -> str:
        return f"{self.root}results/.rewritten/"

    def rewriting(self, job_id: str) -> str:
        """Says that a later job wrote this one's minutes anew; nothing is in it."""
        return f"{self.rewritings}{job_id}"

    def minutes(self, digest: str) -> str:
        """Minutes that were paid for (`pipelines.minutes.cache.PaidMinutes`), by the digest of what went into them."""
        return f"{self.root}results/.minutes-{digest}"

    def result(self, name: str) -> str:
        """A result as users fetch it, by its name in `pipelines.jobs.RESULT_FORMATS`."""
        return f"{self.root}results/{name}"


def outcome_of(key: str) -> tuple[int, str]:
    """Index and cut of the chunk whose result or failure lies under a key."""
    index, _, cut = key.rpartition("/")[2].removesuffix(".json").partition("-")
    return int(index), cut
