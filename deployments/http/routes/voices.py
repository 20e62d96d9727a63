"""The routes of voice profiles: enrol with consent, list, delete with a receipt."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Self

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, Field, StringConstraints

from deployments.http.dependencies import Author, Reader, Writer
from deployments.http.errors.documentation import VOICE, VOICES, documented
from deployments.intake.multipart import FILE_FIELD, read_form
from deployments.intake.spool import body_of
from deployments.intake.submission import content_length
from deployments.schemas.json_schema import schema_of
from deployments.schemas.keeping import ReceiptDocument
from deployments.schemas.options import ApiModel, parsed
from deployments.tenant.backend import Backend
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.transcript_versions import TranscriptVersions
from deployments.tenant.voices import Enrolment
from pipelines.codec import decode
from pipelines.core import Transcript
from pipelines.errors import EmptyAudio, UnsupportedMediaType, refused_option
from pipelines.jobs.options import NO_CONTROLS, SpeakerName
from pipelines.keeping.receipts import Receipt, document
from pipelines.speakers.profiles import VoiceProfile

VOICES_PATH = "/v1/voices"
CLOCK_SKEW = timedelta(minutes=5)

_Person = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200, pattern=NO_CONTROLS)]


class EnrolmentForm(ApiModel):
    """The fields of ``POST /v1/voices`` beside the clip: whose voice it is, and their consent."""

    name: SpeakerName = Field(description="The name that transcripts are to have.")
    consent_by: _Person = Field(description="Who gave consent to the voice being recognised, and how it is on record.")
    consent_at: AwareDatetime | None = Field(None, description="When (ISO 8601); now when left out.")
    job_id: str | None = Field(None, description="Instead of a clip: a job that keeps its recording …", max_length=64)
    speaker: SpeakerName | None = Field(None, description="… and a speaker of its newest transcript.")


class VoiceBody(ApiModel):
    """A voice profile, without the voice."""

    id: str
    name: str
    consent_by: str
    consent_at: datetime
    enrolled_by: str = Field(description="What names the credential that enrolled it; empty without authentication.")
    created_at: datetime
    speech_s: float = Field(description="Seconds of sound that were heard.")
    job_id: str | None = Field(description="The job it was enrolled from; null for a clip.")

    @classmethod
    def of(cls, profile: VoiceProfile) -> Self:
        """Show a profile."""
        return cls(
            id=profile.id,
            name=profile.name,
            consent_by=profile.consent_by,
            consent_at=datetime.fromtimestamp(profile.consent_at_s, UTC),
            enrolled_by=profile.enrolled_by,
            created_at=datetime.fromtimestamp(profile.created_at_s, UTC),
            speech_s=round(profile.speech_s, 1),
            job_id=profile.origin or None,
        )


class VoiceList(ApiModel):
    """A tenant's voice profiles, oldest first."""

    voices: list[VoiceBody]


class ReceiptBody(ApiModel):
    """Proof of a deletion."""

    id: str
    deleted_at: datetime
    record_sha256: str = Field(description="Of the record as it was stored.")
    gone: bool = Field(description="The store was asked again, and has it no more.")
    receipt: ReceiptDocument = Field(description="The same as every deletion is proved, also at `/v1/receipts/{id}`.")

    @classmethod
    def of(cls, receipt: Receipt) -> Self:
        """Show a receipt."""
        return cls(
            id=receipt.object_id,
            deleted_at=datetime.fromtimestamp(receipt.deleted_at_s or receipt.begun_at_s, UTC),
            record_sha256=receipt.blobs[0].sha256 if receipt.blobs else "",
            gone=receipt.gone,
            receipt=ReceiptDocument.model_validate(document(receipt)),
        )


def voice_routes(backend: Backend) -> APIRouter:
    """Build the routes under ``/v1/voices``."""
    router = APIRouter(tags=["voices"])

    @router.post(
        VOICES_PATH,
        status_code=201,
        summary="Enrol a voice",
        description=(
            "Makes a voice profile of a clip with one person's voice (`file`), or of a speaker of a job that keeps its "
            "recording (`job_id`, `speaker`). Consent is required and recorded. The clip is deleted once it was heard; "
            "the voice is encrypted at rest and never shown. Jobs with `diarize` that come later name its owner."
        ),
        openapi_extra=_form_openapi(),
        responses=documented(*VOICE),
    )
    async def enrol(request: Request, jobs: Writer, author: Author) -> VoiceBody:
        content_type = request.headers.get("content-type", "")
        if content_type.partition(";")[0].strip().lower() != "multipart/form-data":
            raise UnsupportedMediaType("Send multipart/form-data.")
        voices = backend.voices_of(jobs)
        async with jobs.spool() as spool:
            length = content_length(request.headers)
            if length is not None:
                await spool.announce(length)
            sent = await read_form(body_of(request.stream(), length, backend.limits.pace), content_type, spool)
            await spool.finish()
            form = parsed(EnrolmentForm, _values(sent.fields))
            enrolment = _enrolment(form, author, now_s=backend.intake.clock())
            if form.job_id is None:
                if form.speaker is not None:
                    raise refused_option("speaker", "needs job_id")
                if not sent.has_file:
                    raise refused_option(FILE_FIELD, "is missing: the clip belongs there, or job_id and speaker")
                if spool.n_bytes == 0:
                    raise EmptyAudio("The clip has no bytes.")
                return VoiceBody.of(await voices.enrol_clip(enrolment, spool.path))
            if sent.has_file:
                raise refused_option(FILE_FIELD, "cannot be given with job_id")
            if form.speaker is None:
                raise refused_option("speaker", "is missing")
        job = await jobs.get(form.job_id)
        transcript = await _newest(jobs, form.job_id)
        return VoiceBody.of(await voices.enrol_speaker(enrolment, job, transcript, form.speaker))

    @router.get(VOICES_PATH, summary="List the voice profiles", responses=documented(*VOICES))
    async def list_voices(jobs: Reader) -> VoiceList:
        found = await backend.voices_of(jobs).all()
        return VoiceList(voices=[VoiceBody.of(profile) for profile in found])

    @router.get(VOICES_PATH + "/{voice_id}", summary="Show a voice profile", responses=documented(*VOICE))
    async def show(voice_id: str, jobs: Reader) -> VoiceBody:
        return VoiceBody.of(await backend.voices_of(jobs).get(voice_id))

    @router.delete(
        VOICES_PATH + "/{voice_id}",
        summary="Delete a voice profile",
        description="Deletes it for good, and answers with a receipt. Transcripts that it named keep the name.",
        responses=documented(*VOICE),
    )
    async def delete(voice_id: str, jobs: Writer) -> ReceiptBody:
        return ReceiptBody.of(await backend.voices_of(jobs).delete(voice_id))

    return router


async def _newest(jobs: TenantJobs, job_id: str) -> Transcript:
    document, _ = await TranscriptVersions(jobs=jobs).read(job_id, None)
    return decode(Transcript, document)


def _enrolment(form: EnrolmentForm, author: str, *, now_s: float) -> Enrolment:
    now = datetime.fromtimestamp(now_s, UTC)
    at = form.consent_at or now
    if at > now + CLOCK_SKEW:
        raise refused_option("consent_at", "lies in the future")
    return Enrolment(name=form.name, consent_by=form.consent_by, consent_at_s=at.timestamp(), enrolled_by=author)


def _values(fields: dict[str, list[str]]) -> dict[str, Any]:
    """Return one value for each field; empty ones are left out."""
    values: dict[str, Any] = {}
    for name, texts in fields.items():
        filled = [text for text in texts if text != ""]
        if len(filled) > 1:
            raise refused_option(name, "given more than once")
        if filled:
            values[name] = filled[0]
    return values


def _form_openapi() -> dict[str, Any]:
    schema = schema_of(EnrolmentForm)
    schema["properties"] = {FILE_FIELD: {"type": "string", "format": "binary"}, **schema["properties"]}
    return {"requestBody": {"required": True, "content": {"multipart/form-data": {"schema": schema}}}}
