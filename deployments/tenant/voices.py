"""`TenantVoices`: the voice profiles of one tenant. No voice is in what it returns, and none is logged."""

import contextlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import structlog

from deployments.artifacts.kept_recording import recorded_by
from deployments.ports import EnrolmentPort, EnrolmentRequest, Passage
from deployments.retention.erasure import erase_voice
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.audit import AuditAction, ObjectKind
from pipelines.codec import decode, encode
from pipelines.core import Segment, Transcript
from pipelines.errors import BlobMissing, IllegalTransition, NotFound, OptionError
from pipelines.jobs.job import Job
from pipelines.keeping.receipts import Receipt
from pipelines.speakers.profiles import MAX_PROFILES, VoiceProfile
from pipelines.storage.layout import TenantKeys
from pipelines.storage.protocol import BlobStore

MAX_PASSAGES = 20
MAX_PASSAGES_S = 60.0
MIN_PASSAGE_S = 1.0

log = structlog.get_logger()


@dataclass(frozen=True, kw_only=True)
class Enrolment:
    """Whose voice is enrolled, and who gave consent when (Unix seconds), as the holder of a credential says."""

    name: str
    consent_by: str
    consent_at_s: float
    enrolled_by: str


def no_enrolment() -> EnrolmentPort | None:
    """Say that no voice can be enrolled."""
    return None


@dataclass(frozen=True, kw_only=True)
class TenantVoices:
    """The profiles of a tenant; another tenant's are unknown here."""

    jobs: TenantJobs
    enrolment: Callable[[], EnrolmentPort | None]
    clock: Callable[[], float]
    new_id: Callable[[], str]

    @property
    def tenant(self) -> str:
        """Whose profiles they are."""
        return self.jobs.tenant

    @property
    def store(self) -> BlobStore:
        """Where they lie."""
        return self.jobs.store

    @property
    def _keys(self) -> TenantKeys:
        return TenantKeys(tenant=self.tenant)

    async def enrol_clip(self, enrolment: Enrolment, clip: Path) -> VoiceProfile:
        """Enrol the voice in a recording, which is deleted once it was heard.

        Raises `OptionError` where it is not one voice, `InputError`, `IllegalTransition` where there is no key, or no
        room for another profile, and `StoreUnavailable`.
        """
        voice_id = await self._admitted()
        key = self._keys.voice_clip(voice_id)
        try:
            await in_thread(self.store.put_file, key, clip)
            return await self._enrolled(enrolment, EnrolmentRequest(tenant=self.tenant, voice_id=voice_id))
        finally:
            await in_thread(self.store.delete, key)

    async def enrol_speaker(self, enrolment: Enrolment, job: Job, transcript: Transcript, speaker: str) -> VoiceProfile:
        """Enrol a speaker of a job from the recording that it keeps; as `enrol_clip`.

        Raises `NotFound` for a speaker who is not there, and `BlobMissing` where the recording is not kept.
        """
        own = [segment for segment in transcript.segments if segment.speaker == speaker and segment.text]
        if not own:
            raise NotFound(f"Nobody in job {job.id} is called {speaker!r}.")
        recorded = await in_thread(recorded_by, self.store, job)
        if not recorded:
            raise BlobMissing(f"The recording of job {job.id} is not kept, or not any more.")
        voice_id = await self._admitted()
        request = EnrolmentRequest(
            tenant=self.tenant, voice_id=voice_id, job_id=recorded, passages=tuple(_passages(own))
        )
        return await self._enrolled(enrolment, request)

    async def all(self) -> list[VoiceProfile]:
        """Return all profiles, oldest first."""
        return await in_thread(self._all)

    async def get(self, voice_id: str) -> VoiceProfile:
        """Return a profile; raises `NotFound`."""
        return decode(VoiceProfile, await in_thread(self._record, voice_id))

    async def delete(self, voice_id: str) -> Receipt:
        """Delete a profile for good; raises `NotFound`. Names that it gave to earlier transcripts stay there."""
        return await in_thread(self._delete, voice_id)

    async def _admitted(self) -> str:
        """Return the id of a new profile, if there may be one."""
        if self.enrolment() is None:
            raise _keeps_none()
        if len(await in_thread(lambda: list(self.store.list(self._keys.voices)))) >= MAX_PROFILES:
            raise IllegalTransition(f"A tenant has {MAX_PROFILES} voice profiles at most.")
        return self.new_id()

    async def _enrolled(self, enrolment: Enrolment, request: EnrolmentRequest) -> VoiceProfile:
        port = self.enrolment()
        if port is None:  # the key went meanwhile
            raise _keeps_none()
        try:
            voice = await port.enrol(request)
        except OptionError as error:
            raise OptionError(f"{'speaker' if request.job_id else 'file'}: {error}") from None
        profile = VoiceProfile(
            id=request.voice_id,
            name=enrolment.name,
            consent_by=enrolment.consent_by,
            consent_at_s=enrolment.consent_at_s,
            enrolled_by=enrolment.enrolled_by,
            created_at_s=self.clock(),
            sealed=voice.sealed,
            network=voice.network,
            speech_s=voice.speech_s,
            origin=request.job_id,
        )
        # Two stores: entered first, so that no voice is known of which the log tells nothing.
        deed = self.jobs.deed(AuditAction.ENROL_VOICE, profile.id, ObjectKind.VOICE)
        await in_thread(self.jobs.ledger.audit.append, [deed])
        await in_thread(self.store.put, self._keys.voice(profile.id), encode(profile))
        log.info("voice enrolled", action="enrol", tenant=self.tenant, voice_id=profile.id)
        return profile

    def _all(self) -> list[VoiceProfile]:
        found = []
        for key in self.store.list(self._keys.voices):
            with contextlib.suppress(BlobMissing):  # deleted meanwhile
                found.append(decode(VoiceProfile, self.store.get(key)))
        return sorted(found, key=lambda profile: (profile.created_at_s, profile.id))

    def _record(self, voice_id: str) -> bytes:
        if not voice_id.isalnum() or not voice_id.isascii():
            raise NotFound("There is no such voice profile.")
        try:
            return self.store.get(self._keys.voice(voice_id))
        except BlobMissing:
            raise NotFound(f"There is no voice profile {voice_id}.") from None

    def _delete(self, voice_id: str) -> Receipt:
        self._record(voice_id)
        receipt = erase_voice(self.jobs.ledger, self.store, self.tenant, voice_id, self.jobs.erasure)
        log.info(
            "voice deleted",
            action="delete_voice",
            tenant=self.tenant,
            voice_id=voice_id,
            receipt=receipt.id,
            gone=receipt.gone,
        )
        return receipt


def _passages(segments: Iterable[Segment]) -> Iterable[Passage]:
    """Yield the longest segments in which the speaker is alone, up to a minute, in the order of speaking."""
    alone = [each for each in segments if not each.overlap and each.end_s - each.start_s >= MIN_PASSAGE_S]
    alone.sort(key=lambda each: each.start_s - each.end_s)
    chosen: list[Segment] = []
    for each in alone[:MAX_PASSAGES]:
        if sum(one.end_s - one.start_s for one in chosen) < MAX_PASSAGES_S:
            chosen.append(each)
    for each in sorted(chosen, key=lambda one: one.start_s):
        yield Passage(channel=each.channel, start_s=each.start_s, end_s=min(each.end_s, each.start_s + MAX_PASSAGES_S))


def _keeps_none() -> IllegalTransition:
    return IllegalTransition(
        "This installation keeps no voice profiles: its operator sets MEETMEMO_VOICES_KEY, which "
        "`meetmemo voices new-key` makes."
    )
