"""`TranscriptVersions`: the versions and translations of a tenant's transcripts, and documents of them.

Every method that blocks runs in a thread.
"""

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, replace

from deployments.ports import MinutesRequest
from deployments.tenant.jobs import ResultStream, TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.audit import AuditAction
from pipelines.codec import decode, encode
from pipelines.core import Minutes, Transcript
from pipelines.errors import BlobMissing, IllegalTransition, JobUnknown, NotFound, ResultPending, VersionConflict
from pipelines.export.blocks import Layout
from pipelines.export.render import render
from pipelines.export.templating.process import UNUSABLE
from pipelines.export.templating.templates import values_of
from pipelines.jobs.job import RESULT_FORMATS, Job
from pipelines.jobs.options import JobOptions
from pipelines.jobs.translations import TranslationRecord, incomplete
from pipelines.notes import Note, NoteCode, united
from pipelines.storage.layout import JobKeys
from pipelines.text.redaction import Scope, mask_text, mask_transcript
from pipelines.transcript.corrections import MAX_VERSIONS, Correction, Edits, blob_name, corrected, said, version_of
from pipelines.translation.protocol import Translation


@dataclass(frozen=True, kw_only=True)
class TranscriptVersions:
    """Versions of what one tenant's jobs transcribed; minutes written anew share those of the first job."""

    jobs: TenantJobs

    async def of_job(self, job_id: str) -> Sequence[Correction]:
        """Return a transcript's corrections, oldest first; raises `JobUnknown`."""
        return await self._corrections(await self._origin(job_id))

    async def save(self, job_id: str, base: int, edits: Edits, *, author: str, note: str) -> Correction:
        """Make the next version from version ``base``.

        Raises `JobUnknown`, `IllegalTransition` without a transcript or with too many versions, `VersionConflict` when
        ``base`` is not the newest, and what `pipelines.transcript.corrections.corrected` raises. A repeated request
        brings the version of the first.
        """
        origin = await self._origin(job_id)
        held = await self._corrections(origin)
        if base >= MAX_VERSIONS:
            raise IllegalTransition(f"A transcript has {MAX_VERSIONS} versions at most.")
        if base > len(held):
            raise VersionConflict(f"the transcript of job {origin.id} is at version {len(held)}, not {base}")
        return await in_thread(self._save, origin, base, held, edits, author, note)

    async def read(self, job_id: str, version: int | None) -> tuple[bytes, str]:
        """Return a version (None: the newest) as ``transcript.json``, struck-out segments included, and its ETag.

        Raises `JobUnknown`, `NotFound` for a missing version, `IllegalTransition` without a transcript.
        """
        origin = await self._origin(job_id)
        held = await self._corrections(origin)
        chosen = _chosen(origin, held, len(held) if version is None else version)
        transcript = await in_thread(self._transcript, origin, chosen)
        title = MinutesRequest.of(origin).title
        document = await in_thread(render, "transcript.json", transcript, None, title)
        await self.jobs.noted_read(origin, "transcript", version=chosen.version if chosen else 0)
        return document, _etag(origin, "versions", chosen)

    async def open_result(self, job: Job, name: str, version: int) -> ResultStream:
        """Return a result of ``job`` as it would be with another version of the transcript; minutes keep their words.

        Raises `NotFound` for a name or version that is not there, `BlobMissing` for minutes there are none of, and
        `IllegalTransition` without a transcript.
        """
        if name not in RESULT_FORMATS:
            raise NotFound(f"There is no result {name!r}; there are: {', '.join(RESULT_FORMATS)}.")
        origin = await self.jobs.transcribed(job)
        chosen = _chosen(origin, await self._corrections(origin), version)
        document = await self._render(job, name, said(await in_thread(self._transcript, origin, chosen)))
        await self.jobs.noted_read(job, name, version=version)
        return ResultStream(stream=io.BytesIO(document), n_bytes=len(document), etag=_etag(job, name, chosen))

    async def open_translation(self, job: Job, name: str, language: str, version: int | None) -> ResultStream:
        """Return a result of ``job`` with its transcript in another language; minutes keep their words.

        A note in it says that it is a translation, and of which version if the transcript was corrected since. Raises
        `NotFound` for a name, a language or a ``version`` (None: whichever was translated) that is not there,
        `ResultPending` before the job's end, and what `open_result` raises.
        """
        if name not in RESULT_FORMATS:
            raise NotFound(f"There is no result {name!r}; there are: {', '.join(RESULT_FORMATS)}.")
        record = next((each for each in job.translations if each.language.lower() == language.lower()), None)
        if record is None or record.state != "written":
            if not job.state.final or (record is not None and record.state == "parked"):
                raise ResultPending(f"Job {job.id} is {job.state}; there is no translation to {language} yet.")
            there = ", ".join(each.language for each in job.translations if each.state == "written") or "none"
            raise NotFound(f"Job {job.id} has no translation to {language}; there are: {there}.")
        translated = version_of(job.corrected)
        if version not in (None, translated):
            raise NotFound(f"The translation to {record.language} is one of version {translated} of the transcript.")
        translation = await in_thread(self._translation, job, record.language)
        newest = await self._newest(job)
        document = await self._render(job, name, _told(translation, record, translated, newest))
        await self.jobs.noted_read(job, name, translation=record.language)
        digest = hashlib.sha256(f"{job.id}/{name}/{job.version}/{record.language}/{newest}".encode()).hexdigest()
        return ResultStream(stream=io.BytesIO(document), n_bytes=len(document), etag=f'"{digest[:32]}"')

    async def _newest(self, job: Job) -> int:
        """Return the newest version of the transcript; that of the job where its origin is gone."""
        try:
            return max(version_of(job.corrected), len(await self._corrections(await self.jobs.transcribed(job))))
        except JobUnknown:
            return version_of(job.corrected)

    def _translation(self, job: Job, language: str) -> Translation:
        try:
            return decode(Translation, self.jobs.store.get(self._keys(job).translation(language)))
        except BlobMissing:
            raise BlobMissing(f"Job {job.id} is {job.state} and has no translation to {language} any more.") from None

    async def _origin(self, job_id: str) -> Job:
        return await self.jobs.transcribed(await self.jobs.get(job_id))

    async def _corrections(self, origin: Job) -> Sequence[Correction]:
        return await in_thread(self.jobs.ledger.corrections.of_job, origin.tenant, origin.id)

    def _transcript(self, origin: Job, correction: Correction | None) -> Transcript:
        keys = JobKeys(tenant=origin.tenant, job_id=origin.id)
        if not origin.state.final:
            raise IllegalTransition(f"Job {origin.id} is {origin.state}: it has no transcript to correct yet.")
        try:
            key = keys.corrected(correction.name) if correction else keys.transcript
            return decode(Transcript, self.jobs.store.get(key))
        except BlobMissing:
            raise IllegalTransition(f"Job {origin.id} is {origin.state} and has no transcript.") from None

    def _save(
        self, origin: Job, base: int, held: Sequence[Correction], edits: Edits, author: str, note: str
    ) -> Correction:
        before = self._transcript(origin, held[base - 1] if base else None)
        transcript, n_segments = corrected(before, edits, lambda edited: _hidden(edited, origin.options))
        note = mask_text(
            note, origin.options.mask, Scope(language=before.language, regions=origin.options.mask_regions)
        )
        name = blob_name(base + 1, transcript)
        wanted = Correction(version=base + 1, author=author, note=note, n_segments=n_segments, name=name)
        key = JobKeys(tenant=origin.tenant, job_id=origin.id).corrected(name)
        self.jobs.store.put(key, encode(transcript))
        try:
            deed = self.jobs.deed(AuditAction.CORRECT, origin.id, version=wanted.version, segments=n_segments)
            return self.jobs.ledger.corrections.add(origin.tenant, origin.id, wanted, deed)
        except VersionConflict:
            # Nobody else's version has this name: it would have been a repetition. Else purging the job removes it.
            self.jobs.store.delete(key)
            raise

    async def _render(self, job: Job, name: str, transcript: Transcript) -> bytes:
        title = MinutesRequest.of(job).title
        if name.startswith("transcript."):
            return await in_thread(render, name, transcript, None, title)
        minutes = await in_thread(self._minutes, job, name)
        try:
            layout = await self._layout(job, transcript, minutes, title)
            return await in_thread(render, name, transcript, minutes, title, layout)
        except UNUSABLE:  # then in the usual layout, as `Documents` does
            return await in_thread(render, name, transcript, minutes, title)

    def _minutes(self, job: Job, name: str) -> Minutes:
        try:
            return decode(Minutes, self.jobs.store.get(self._keys(job).result("minutes.json")))
        except BlobMissing:
            raise BlobMissing(f"Job {job.id} is {job.state} and has no {name}.") from None

    async def _layout(self, job: Job, transcript: Transcript, minutes: Minutes, title: str) -> Layout | None:
        policy = self.jobs.policy
        template = policy.styles.template(job.tenant, job.options.minutes_template, minutes.language)
        if not template or minutes.writer == "none":
            return None
        values = await in_thread(values_of, transcript, minutes, title)
        return await policy.templates.lay_out(job.tenant, template, values)

    @staticmethod
    def _keys(job: Job) -> JobKeys:
        return JobKeys(tenant=job.tenant, job_id=job.id)


def _told(translation: Translation, record: TranslationRecord, translated: int, newest: int) -> Transcript:
    """Return a translated transcript with notes about what it is and lacks."""
    languages = {"language": record.language, "spoken": translation.spoken or "?"}
    notes = [Note(code=NoteCode.TRANSLATED, values={**languages, "model": record.model})] if record.model else []
    if record.n_untranslated:
        notes.append(incomplete(record.language, record.n_untranslated, record.n_segments))
    if newest > translated:
        notes.append(Note(code=NoteCode.TRANSLATION_STALE, values={"version": translated, "newest": newest}))
    transcript = translation.transcript
    return replace(transcript, notes=united(transcript.notes, notes))


def _hidden(transcript: Transcript, options: JobOptions) -> Transcript:
    """Mask what a correction wrote of what its job hides."""
    names = options.speakers
    return mask_transcript(transcript, options.mask, regions=options.mask_regions, names=names)


def _chosen(origin: Job, held: Sequence[Correction], version: int) -> Correction | None:
    if version > len(held):
        raise NotFound(f"The transcript of job {origin.id} has no version {version}; the newest is {len(held)}.")
    return held[version - 1] if version else None


def _etag(job: Job, what: str, correction: Correction | None) -> str:
    name = correction.name if correction else ""
    return f'"{hashlib.sha256(f"{job.id}/{what}/{job.version}/{name}".encode()).hexdigest()[:32]}"'
