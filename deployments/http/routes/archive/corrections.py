"""The routes of corrected transcripts: their versions, saving the next one, reading any."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated, Self

from fastapi import APIRouter, Depends, Header, Query, Response
from pydantic import FailFast, Field, StringConstraints

from deployments.http.conditional import matches
from deployments.http.dependencies import Author, Reader, Writer
from deployments.http.errors.documentation import CORRECT, ONE_VERSION, STORED_JOB, documented
from deployments.http.json_bodies import documented_json, json_body
from deployments.schemas.jobs import JOBS_PATH, job_path
from deployments.schemas.options import ApiModel
from deployments.tenant.backend import Backend
from deployments.tenant.transcript_versions import TranscriptVersions
from pipelines.jobs.options import NO_CONTROLS, SpeakerName
from pipelines.transcript.corrections import Correction, Edits, SegmentEdit, SpeakerSplit
from pipelines.validation import worded

MAX_CORRECTION_BYTES = 4 << 20  # every segment of a long recording, written anew
MAX_SEGMENTS = 20_000


_Text = Annotated[
    str, StringConstraints(max_length=10_000, pattern=worded(r"^[^\x00]*$", "may not hold the character U+0000"))
]
_Speaker = Annotated[str, StringConstraints(strip_whitespace=True, max_length=100, pattern=NO_CONTROLS)]
_Note = Annotated[str, StringConstraints(strip_whitespace=True, max_length=500, pattern=NO_CONTROLS)]


class SegmentEditBody(ApiModel):
    """Changes of a segment; fields left out stay as they are."""

    id: int = Field(ge=0, description="As in `transcript.json`.")
    text: _Text | None = Field(None, description="Its words, in one line; empty: nothing was said.")
    speaker: _Speaker | None = Field(None, description="Who says it; empty: nobody known.")


class SplitBody(ApiModel):
    """Two people who were taken for one."""

    speaker: _Speaker
    name: SpeakerName = Field(description="Who it is in that time; may be a speaker who is there already.")
    from_s: float = Field(ge=0, allow_inf_nan=False)
    until_s: float | None = Field(None, ge=0, allow_inf_nan=False, description="To the end when left out.")


class CorrectionRequest(ApiModel):
    """Changes to the newest version of a transcript."""

    base: int = Field(ge=0, description="The version they were made on; 0 is the machine's.")
    segments: Annotated[list[SegmentEditBody], FailFast()] = Field(default_factory=list, max_length=MAX_SEGMENTS)
    speakers: dict[_Speaker, SpeakerName] = Field(
        default_factory=dict, max_length=100, description="New names by old ones, throughout; before `segments`."
    )
    splits: list[SplitBody] = Field(
        default_factory=list, max_length=100, description="Parts speakers by time, before `speakers`."
    )
    note: _Note = Field("", description="What was done, for whoever reads the list.")

    def edits(self) -> Edits:
        """Return the same for the domain."""
        segments = (SegmentEdit(id=each.id, text=each.text, speaker=each.speaker) for each in self.segments)
        splits = (
            SpeakerSplit(speaker=each.speaker, name=each.name, from_s=each.from_s, until_s=each.until_s)
            for each in self.splits
        )
        return Edits(segments=tuple(segments), speakers=dict(self.speakers), splits=tuple(splits))


class CorrectionBody(ApiModel):
    """A version of a transcript."""

    version: int
    base: int
    at: datetime
    author: str = Field(description="What names the credential that saved it; empty without authentication.")
    note: str
    n_segments: int = Field(description="How many segments differ from the version before.")
    transcript: str = Field(description="URL of the version.")

    @classmethod
    def of(cls, correction: Correction, job_id: str, base_url: str) -> Self:
        """Show a version of a job's transcript."""
        return cls(
            version=correction.version,
            base=correction.base,
            at=datetime.fromtimestamp(correction.at_s, UTC),
            author=correction.author,
            note=correction.note,
            n_segments=correction.n_segments,
            transcript=f"{base_url}{job_path(job_id)}/transcript?version={correction.version}",
        )


class CorrectionList(ApiModel):
    """A transcript's versions, oldest first; version 0, the machine's, is always there and not among them."""

    newest: int
    versions: list[CorrectionBody]

    @classmethod
    def of(cls, found: Sequence[Correction], job_id: str, base_url: str) -> Self:
        """Show a job's versions."""
        return cls(newest=len(found), versions=[CorrectionBody.of(each, job_id, base_url) for each in found])


def correction_routes(backend: Backend) -> APIRouter:
    """Build the routes for correcting transcripts."""
    router = APIRouter(tags=["results"])

    @router.post(
        JOBS_PATH + "/{job_id}/corrections",
        status_code=201,
        summary="Correct a transcript",
        openapi_extra=documented_json(CorrectionRequest),
        description=(
            "Saves the next version of the job's transcript; the machine's own and all earlier ones stay as they are. "
            "`base` must be the newest version, else the answer is 409 `version_conflict`: read that one and save "
            "again. Words that stay keep their times, new ones are timed between them. A repeated request brings the "
            "version of the first. Minutes written anew share the versions of the first job."
        ),
        responses=documented(*CORRECT),
    )
    async def correct(
        job_id: str,
        jobs: Writer,
        author: Author,
        body: Annotated[CorrectionRequest, Depends(json_body(CorrectionRequest, MAX_CORRECTION_BYTES))],
    ) -> CorrectionBody:
        versions = TranscriptVersions(jobs=jobs)
        saved = await versions.save(job_id, body.base, body.edits(), author=author, note=body.note)
        return CorrectionBody.of(saved, job_id, backend.public_url)

    @router.get(
        JOBS_PATH + "/{job_id}/corrections", summary="List a transcript's versions", responses=documented(*STORED_JOB)
    )
    async def corrections(job_id: str, jobs: Reader) -> CorrectionList:
        return CorrectionList.of(await TranscriptVersions(jobs=jobs).of_job(job_id), job_id, backend.public_url)

    @router.get(
        JOBS_PATH + "/{job_id}/transcript",
        response_class=Response,
        summary="Read a version of a transcript",
        description=(
            "As `transcript.json`, with the segments that were struck out, whose text is empty. Every document of a "
            "version is at `results/{name}?version=`."
        ),
        responses={
            200: {"content": {"application/json": {"schema": {"type": "object"}}}, "description": "The transcript."},
            304: {"description": "The version is the one named in `If-None-Match`."},
            **documented(*ONE_VERSION),
        },
    )
    async def transcript(
        job_id: str,
        jobs: Reader,
        version: Annotated[int | None, Query(ge=0, description="0: the machine's; left out: the newest.")] = None,
        if_none_match: Annotated[str | None, Header()] = None,
    ) -> Response:
        document, etag = await TranscriptVersions(jobs=jobs).read(job_id, version)
        headers = {"etag": etag, "cache-control": "private, no-cache", "x-content-type-options": "nosniff"}
        if if_none_match and matches(if_none_match, etag):
            return Response(status_code=304, headers=headers)
        return Response(document, media_type="application/json", headers=headers)

    return router
