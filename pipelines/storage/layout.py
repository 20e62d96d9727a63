"""The layout of the blob store: which keys there are. They are always generated, never taken from outside.

    <tenant>/<job>/…              a job's blobs: `JobKeys`
    <tenant>/<folder>/…           what a tenant has beside its jobs: `TenantKeys`
    <prefix>/<tenant>/<job>       marks, one for each job: `JOB_MARKS`
    _uploads/<tenant>/<upload>/…  what has arrived of a resumable upload: `PieceKeys`
    minutes-resume                a word to the MinutesWriter

The names at the top that are no tenants are `RESERVED_TENANTS`, and nobody can be called so: `is_tenant`. A prefix that
is added begins with `RESERVED_START`, which no tenant's name does (see ``docs/decisions/key-layout.md``).
"""

import re
from dataclasses import dataclass
from datetime import date

RESERVED_START = "_"
_TENANT = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}")


@dataclass(frozen=True, kw_only=True)
class Marks:
    """Small blobs beside the tenants, one for each job that something is to be found about without a look at all."""

    prefix: str
    suffix: str = ""

    def key(self, tenant: str, job_id: str) -> str:
        """Return the mark of a job."""
        return f"{self.of_tenant(tenant)}{job_id}{self.suffix}"

    def of_tenant(self, tenant: str) -> str:
        """Return the prefix of a tenant's marks."""
        return f"{self.prefix}{tenant}/"

    def job_of(self, key: str) -> "JobKeys | None":
        """Return the job that a key below the prefix marks; None for a key that `key` does not make."""
        tenant, _, job_id = key.removeprefix(self.prefix).removesuffix(self.suffix).partition("/")
        sound = is_tenant(tenant) and job_id and "/" not in job_id and self.key(tenant, job_id) == key
        return JobKeys(tenant=tenant, job_id=job_id) if sound else None


AUDIO_MARKS = Marks(prefix="audio-kept/")
"""A job keeps its recording; nothing is in it."""

UPLOAD_MARKS = Marks(prefix="uploads-open/")
"""Return the key of what was announced of a job whose recording is put straight into the store."""

PARKED_MINUTES = Marks(prefix="minutes-parked/", suffix=".json")
"""Minutes that are still to be written: `deployments.artifacts.parked_minutes.Parked`."""

JOB_MARKS = (AUDIO_MARKS, UPLOAD_MARKS, PARKED_MINUTES)

RESUME_MINUTES = "minutes-resume"
"""Says that parked minutes may be tried at once; nothing is in it."""

RESUMABLE_UPLOADS = f"{RESERVED_START}uploads/"
"""Begins the keys of resumable uploads that have become no job yet."""

RESERVED_TENANTS = frozenset(
    key.partition("/")[0] for key in (*(marks.prefix for marks in JOB_MARKS), RESUME_MINUTES, RESUMABLE_UPLOADS)
)


def is_tenant(name: str) -> bool:
    """Return whether a tenant can be called so: its name begins keys, and must not be what other keys begin with."""
    return _TENANT.fullmatch(name) is not None and name not in RESERVED_TENANTS


@dataclass(frozen=True, kw_only=True)
class TenantKeys:
    """The keys of a tenant beside its jobs, in folders whose names no job's id can have (`pipelines.ids.new_id`)."""

    tenant: str

    @property
    def paid_minutes(self) -> str:
        return f"{self.tenant}/minutes-cache/"

    def paid_minutes_of(self, digest: str) -> str:
        """Return which job holds what a language model was paid for by this content: `pipelines.minutes.llm.cache`."""
        return f"{self.paid_minutes}{digest}.json"

    @property
    def voices(self) -> str:
        return f"{self.tenant}/voices/"

    def voice(self, voice_id: str) -> str:
        """Return the key of a voice profile: `pipelines.speakers.profiles.VoiceProfile` as JSON."""
        return f"{self.voices}{voice_id}.json"

    @property
    def voice_clips(self) -> str:
        return f"{self.tenant}/voice-clips/"

    def voice_clip(self, voice_id: str) -> str:
        """Return the key of the recording that a voice is enrolled from; it goes as soon as it was heard."""
        return f"{self.voice_clips}{voice_id}"

    @property
    def resumable(self) -> str:
        return f"{RESUMABLE_UPLOADS}{self.tenant}/"

    @property
    def spending(self) -> str:
        return f"{self.tenant}/minutes-spending/"

    def spending_of(self, day: date) -> str:
        """Return what minutes cost in a day (UTC): `pipelines.core.Usage` as JSON."""
        return f"{self.spending}{day.isoformat()}.json"


@dataclass(frozen=True, kw_only=True)
class PieceKeys:
    """The keys of a resumable upload: what was announced of it, and what has arrived, one blob a piece."""

    tenant: str
    upload_id: str

    @classmethod
    def of_key(cls, key: str) -> "PieceKeys | None":
        """Return the upload that a key below `RESUMABLE_UPLOADS` belongs to; None for a key of none."""
        tenant, _, rest = key.removeprefix(RESUMABLE_UPLOADS).partition("/")
        upload_id, slash, _ = rest.partition("/")
        return cls(tenant=tenant, upload_id=upload_id) if is_tenant(tenant) and upload_id and slash else None

    @property
    def root(self) -> str:
        return f"{TenantKeys(tenant=self.tenant).resumable}{self.upload_id}/"

    @property
    def record(self) -> str:
        """What was announced: `deployments.intake.resumable.records.Resumable` as JSON."""
        return f"{self.root}record.json"

    def piece(self, offset: int, n_bytes: int, request: str = "") -> str:
        """Return the key of ``n_bytes`` from ``offset``; they count once the ``request`` they came by is `verified`."""
        return f"{self.root}{offset:015d}-{n_bytes}" + (f".{request}" if request else "")

    def verified(self, request: str) -> str:
        """Return the key of an empty blob: the checksum of a request was right."""
        return f"{self.root}verified-{request}"


@dataclass(frozen=True, kw_only=True)
class JobKeys:
    """The keys of one job in the blob store.

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
        """Return samples of a span: int16 mono little-endian at 16 kHz."""
        return f"{self.work}pcm/{channel}-{span:06d}"

    def span(self, index: int) -> str:
        """Return the key of a span's chunk table: `pipelines.core.Span` as JSON."""
        return f"{self.spans}{index:06d}.json"

    @property
    def summary(self) -> str:
        """The Segmenter's summary: `pipelines.core.SourceSummary` as JSON."""
        return f"{self.work}summary.json"

    def chunk(self, index: int, cut: str) -> str:
        """Return the key of a chunk's result by `WorkItem.input_digest`: `pipelines.core.ChunkResult` as JSON."""
        return f"{self.chunks}{index:06d}-{cut}.json"

    @property
    def failures(self) -> str:
        return f"{self.work}failures/"

    def failure(self, index: int, cut: str) -> str:
        """Return the key that marks a chunk as given up: `pipelines.core.ChunkResult` with an error, as JSON.

        Apart from the results, so that a Coordinator that lost its lease cannot write over one.
        """
        return f"{self.failures}{index:06d}-{cut}.json"

    @property
    def languages(self) -> str:
        return f"{self.work}languages/"

    def language(self, channel: int) -> str:
        """Return language of a channel: `pipelines.core.LanguageVote` as JSON."""
        return f"{self.languages}{channel}.json"

    def voices(self, span: int, sha256: str) -> str:
        """Return the key of the voices of a span, by its samples' SHA-256: `pipelines.speakers.voices.SpanVoices`."""
        return f"{self.work}voices/{span:06d}-{sha256[:16]}.json"

    @property
    def known_voices(self) -> str:
        """Voices that came with the request: `pipelines.speakers.references.References` as JSON."""
        return f"{self.work}known-voices.json"

    @property
    def masked_audio(self) -> str:
        """What must not be heard in the playback copy: `pipelines.transcript.masked_audio.MaskedAudio` as JSON."""
        return f"{self.work}masked-audio.json"

    @property
    def quarantine(self) -> str:
        return f"{self.root}quarantine/"

    def quarantined(self, index: int) -> str:
        """Return the folder of a chunk that was given up; see `deployments.artifacts.quarantine`."""
        return f"{self.quarantine}{index:06d}/"

    @property
    def kept(self) -> str:
        """Input for stitching a job with quarantined chunks again: `deployments.artifacts.quarantine.Kept` as JSON."""
        return f"{self.quarantine}kept.json"

    @property
    def audio(self) -> str:
        return f"{self.root}audio/"

    @property
    def playback(self) -> str:
        """The compressed copy of a job that keeps its recording for a while: `pipelines.audio.playback`."""
        return f"{self.audio}copy.webm"

    @property
    def peaks(self) -> str:
        """The copy's waveform: `pipelines.audio.playback.Peaks` as JSON."""
        return f"{self.audio}peaks.json"

    @property
    def audio_mark(self) -> str:
        """Says that a job keeps its recording: what is to expire is found without looking at every job."""
        return AUDIO_MARKS.key(self.tenant, self.job_id)

    @property
    def upload_mark(self) -> str:
        """Return the key of what was announced of a job whose recording is put straight into the store."""
        return UPLOAD_MARKS.key(self.tenant, self.job_id)

    @property
    def parked_mark(self) -> str:
        """Minutes of the job that are still to be written: `deployments.artifacts.parked_minutes.Parked`."""
        return PARKED_MINUTES.key(self.tenant, self.job_id)

    @property
    def marks(self) -> tuple[str, ...]:
        """All that lies beside the tenants about this job."""
        return tuple(marks.key(self.tenant, self.job_id) for marks in JOB_MARKS)

    @property
    def transcript(self) -> str:
        """The stitched transcript: `pipelines.core.Transcript` as JSON, kept so that minutes can be written anew."""
        return f"{self.root}results/.transcript"

    def corrected(self, name: str) -> str:
        """Return the key of a corrected transcript, by the name that `corrections.blob_name` gave."""
        return f"{self.root}results/.corrected/{name}"

    def translation(self, language: str) -> str:
        """Return the key of the transcript in another language: `pipelines.translation.protocol.Translation` as JSON.

        ``language`` is a BCP 47 tag.
        """
        return f"{self.root}results/.translated/{language.lower()}"

    @property
    def rewritings(self) -> str:
        return f"{self.root}results/.rewritten/"

    def rewriting(self, job_id: str) -> str:
        """Return the key of an empty blob that marks a later job as a rewriting of this one's minutes."""
        return f"{self.rewritings}{job_id}"

    @property
    def paid_minutes(self) -> str:
        return f"{self.root}results/.minutes-"

    def minutes(self, digest: str) -> str:
        """Return the key of what a language model was paid for, by its digest.

        Minutes (`pipelines.minutes.protocol.PaidMinutes`), answers (`pipelines.translation.translator.PaidAnswer`).
        """
        return f"{self.paid_minutes}{digest}"

    def result(self, name: str) -> str:
        """Return a result as users fetch it, by its name in `pipelines.jobs.job.RESULT_FORMATS`."""
        return f"{self.root}results/{name}"


def outcome_of(key: str) -> tuple[int, str]:
    """Parse the key of a chunk's result or failure: its index and cut."""
    index, _, cut = key.rpartition("/")[2].removesuffix(".json").partition("-")
    return int(index), cut
