"""The routes of the playback copy: its audio, its waveform, and its end before that of the results."""

import hashlib
from pathlib import PurePosixPath

from fastapi import APIRouter, Response
from fastapi.responses import StreamingResponse

from deployments.http.content_disposition import inline
from deployments.http.dependencies import Reader, Writer
from deployments.http.entity_answer import Part, documented_entity, entity_answer
from deployments.http.errors.documentation import CHANGE_JOB, PLAYBACK, documented
from deployments.schemas.jobs import JOBS_PATH
from deployments.tenant.backend import Backend
from deployments.tenant.jobs import ResultStream
from deployments.tenant.threads import in_thread
from pipelines.audio.formats import PLAYBACK_MEDIA_TYPE, PLAYBACK_SUFFIX
from pipelines.audit import AuditAction
from pipelines.errors import BlobMissing, IllegalTransition, LedgerUnavailable, Reason, ResultPending
from pipelines.jobs.job import Job
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore

AUDIO_PATH = JOBS_PATH + "/{job_id}/audio"

_HEAD_BYTES = 4096
_PRIVATE = {"cache-control": "private, max-age=3600", "x-content-type-options": "nosniff"}


def audio_routes(_: Backend) -> APIRouter:
    """Build the routes for listening to a recording."""
    router = APIRouter(tags=["results"])

    @router.get(
        AUDIO_PATH,
        response_class=StreamingResponse,
        summary="Listen to a recording",
        description="The copy that the option `keep_audio` asked for: Opus in WebM, on the transcript's clock.",
        responses={**documented_entity("The copy.", PLAYBACK_MEDIA_TYPE), **documented(*PLAYBACK)},
    )
    async def audio(job_id: str, jobs: Reader, wanted: Part) -> Response:
        job = await jobs.get(job_id)
        found = await in_thread(_open_audio, jobs.store, job)
        try:
            await jobs.noted_read(job, "audio")
        except LedgerUnavailable:
            found.close()
            raise
        headers = {**_PRIVATE, "content-disposition": inline(PurePosixPath(job.filename).stem, PLAYBACK_SUFFIX)}
        return entity_answer(found, wanted, PLAYBACK_MEDIA_TYPE, headers)

    @router.get(
        AUDIO_PATH + "/peaks",
        response_class=Response,
        summary="The waveform of a recording",
        description="`per_s` and, for each channel, its loudest samples as bytes (255 is full scale) in Base64.",
        responses={200: {"content": {"application/json": {}}, "description": "The peaks."}, **documented(*PLAYBACK)},
    )
    async def peaks(job_id: str, jobs: Reader) -> Response:
        job = await jobs.get(job_id)
        content = await in_thread(_read_peaks, jobs.store, job)
        return Response(content, media_type="application/json", headers=_PRIVATE)

    @router.delete(
        AUDIO_PATH,
        status_code=204,
        summary="Delete a recording's playback copy",
        description="Transcript, minutes and documents stay. May be repeated.",
        responses=documented(Reason.LEGAL_HOLD, *CHANGE_JOB),
    )
    async def forget(job_id: str, jobs: Writer) -> Response:
        job = await jobs.get(job_id)
        if not job.state.final:
            raise IllegalTransition(f"Job {job_id} is {job.state}: its audio can be deleted when it has ended.")
        holders = _holders(job)
        names = [(keys.tenant, keys.job_id) for keys in holders]
        await jobs.check_unheld(*(await in_thread(jobs.ledger.get_many, names)).values())
        await in_thread(jobs.ledger.audit.append, [jobs.deed(AuditAction.DELETE_AUDIO, job.id)])
        for keys in holders:
            await in_thread(jobs.store.delete_prefix, keys.audio)
            await in_thread(jobs.store.delete, keys.audio_mark)
        return Response(status_code=204)

    return router


def _holders(job: Job) -> list[JobKeys]:
    """Return the jobs that may hold a job's recording: itself, or those whose results it took."""
    return [JobKeys(tenant=job.tenant, job_id=job_id) for job_id in job.recordings]


def _open_audio(store: BlobStore, job: Job) -> ResultStream:
    for keys in _holders(job):
        try:
            stream = store.open(keys.playback)
        except BlobMissing:
            continue
        n_bytes = stream.seek(0, 2)
        return ResultStream(stream=stream, n_bytes=n_bytes, etag=_etag(store, keys.playback, n_bytes))
    raise _missing(job)


def _etag(store: BlobStore, key: str, n_bytes: int) -> str:
    """Return a tag of a copy that is written once, by its place, its length and its first bytes.

    A digest of all of it would read hours of audio at every request for a part.
    """
    head = store.get_range(key, 0, min(n_bytes, _HEAD_BYTES))
    digest = hashlib.sha256(f"{key}/{n_bytes}/".encode() + head).hexdigest()
    return f'"{digest[:32]}"'


def _read_peaks(store: BlobStore, job: Job) -> bytes:
    for keys in _holders(job):
        try:
            return store.get(keys.peaks)
        except BlobMissing:
            continue
    raise _missing(job)


def _missing(job: Job) -> ResultPending | BlobMissing:
    if job.options.keep_audio and not job.state.final:
        return ResultPending(f"Job {job.id} is {job.state}; its audio is not there yet.")
    return BlobMissing(f"Job {job.id} has no audio to listen to: it is kept only where `keep_audio` asks for it.")
