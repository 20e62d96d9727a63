"""The routes under ``/v1/batches``: thousands of recordings submitted, steered and shown as one."""

from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from deployments.http.dependencies import BatchReader, BatchWriter
from deployments.http.errors.documentation import (
    CHANGE_BATCH,
    ONE_BATCH,
    QUERY,
    STORED_BATCH,
    SUBMIT_BATCH,
    UPLOAD_ENTRY,
    documented,
)
from deployments.http.json_bodies import documented_json, parsed_in_thread
from deployments.http.openapi import binary_body
from deployments.intake.idempotency import idempotency_key
from deployments.intake.json_parsing import parse_object
from deployments.intake.spool import Spool, body_of
from deployments.intake.submission import content_length, merge_options, query_values
from deployments.intake.submission_readers import receive_recording
from deployments.schemas.batches import (
    BATCHES_PATH,
    MAX_INLINE_BYTES,
    BatchBody,
    BatchList,
    BatchRequest,
    EntryBody,
    EntryPage,
    Retried,
)
from deployments.schemas.jobs import ID_PREFIX, JobBody
from deployments.schemas.options import ApiModel, Options, parsed
from deployments.tenant.backend import Backend
from deployments.tenant.batches import MAX_MANIFEST_BYTES, TenantBatches
from pipelines.errors import TooLarge, UnsupportedMediaType
from pipelines.jobs.batch import Batch, EntryState
from pipelines.jobs.options import NO_CONTROLS

JSONL_TYPES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")
_INLINE_TOO_LARGE = (
    f"A batch as one JSON object has {MAX_INLINE_BYTES} bytes at most: "
    f"send its entries as JSON Lines ({JSONL_TYPES[0]}), one in each line."
)

SUBMIT_DESCRIPTION = """
Accepts thousands of recordings at once; their jobs are made a few at a time, so that other jobs find their place.

- **application/json**: `BatchRequest`, with `entries` inline, or the URL of a `manifest`, or an `s3://` `prefix`;
  up to 4 MiB;
- **application/x-ndjson**: the manifest itself, one JSON object per line (`ManifestEntry`) or one source URL as JSON
  string; `name`, `dry_run` and the options of all entries as query parameters.

An entry without a source waits for its recording: `PUT /v1/batches/{id}/entries/{seq}`. With `dry_run` the recordings
are only looked at: the batch shows their hours, the expected time and cost, and `resume` starts it. An
`Idempotency-Key` makes repeating the request harmless.
"""


class BatchQuery(ApiModel):
    """Parameters of a manifest that is the body; the others are `Options`."""

    name: str = ""
    dry_run: bool = False


def batch_routes(backend: Backend) -> APIRouter:
    """Build the routes for submitting, steering and showing batches."""
    router = APIRouter(tags=["batches"])

    @router.post(
        BATCHES_PATH,
        status_code=202,
        response_model=BatchBody,
        summary="Submit a batch",
        description=SUBMIT_DESCRIPTION,
        openapi_extra=_submit_openapi(),
        responses={
            200: {"model": BatchBody, "description": "The batch an earlier request under this key brought."},
            **documented(*SUBMIT_BATCH),
        },
    )
    async def submit(request: Request, batches: BatchWriter) -> Response:
        media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        if media_type != "application/json" and media_type not in JSONL_TYPES:
            raise UnsupportedMediaType(f"Send application/json or {JSONL_TYPES[0]}.")
        key = idempotency_key(request.headers)
        async with batches.jobs.answering(key):
            batch, created = await _submitted(request, batches, media_type, key)
        shown = await batches.show(batch)
        headers = {"location": f"{backend.public_url}{BATCHES_PATH}/{batch.id}"}
        return JSONResponse(shown.model_dump(mode="json"), status_code=202 if created else 200, headers=headers)

    async def _submitted(
        request: Request, batches: TenantBatches, media_type: str, key: str | None
    ) -> tuple[Batch, bool]:
        async with batches.jobs.spool() as spool:
            if media_type == "application/json":
                await _receive(request, spool, MAX_INLINE_BYTES, _INLINE_TOO_LARGE)
                body = await parsed_in_thread(
                    request, lambda: parsed(BatchRequest, parse_object(spool.path.read_bytes()))
                )
                return await batches.submit(body, key, spool)
            await _receive(request, spool, MAX_MANIFEST_BYTES, f"A manifest has {MAX_MANIFEST_BYTES} bytes at most.")
            values = merge_options(query_values(request), {})
            query = parsed(BatchQuery, {name: values.pop(name) for name in ("name", "dry_run") if name in values})
            Options.parse(values)
            return await batches.submit_file(spool, query.name, values, query.dry_run, key)

    async def _receive(request: Request, spool: Spool, max_bytes: int, too_large: str) -> None:
        length = content_length(request.headers)
        if length is not None:
            if length > max_bytes:
                raise TooLarge(too_large)
            await spool.announce(length)
        async for block in body_of(request.stream(), length, backend.limits.pace):
            await spool.write(block)
            if spool.n_bytes > max_bytes:
                raise TooLarge(too_large)
        await spool.finish()

    @router.get(BATCHES_PATH, summary="List the newest batches", responses=documented(*QUERY))
    async def list_batches(
        batches: BatchReader,
        limit: Annotated[int, Query(ge=1, le=100, description="Batches at most.")] = 20,
        id: Annotated[str, Query(max_length=64, pattern=NO_CONTROLS, description=ID_PREFIX)] = "",
    ) -> BatchList:
        return BatchList(batches=await batches.newest(limit, id))

    @router.get(BATCHES_PATH + "/{batch_id}", summary="Show a batch", responses=documented(*ONE_BATCH))
    async def show_batch(batch_id: str, batches: BatchReader) -> BatchBody:
        return await batches.show(await batches.get(batch_id))

    @router.post(
        BATCHES_PATH + "/{batch_id}/retry",
        summary="Take what failed on again",
        description="Entries whose jobs failed or were cancelled get new jobs; uploaded ones wait for a new upload.",
        responses=documented(*CHANGE_BATCH),
    )
    async def retry(batch_id: str, batches: BatchWriter) -> Retried:
        n_retried, batch = await batches.retry(batch_id)
        return Retried(n_retried=n_retried, batch=batch)

    @router.post(
        BATCHES_PATH + "/{batch_id}/{move}",
        summary="Pause, resume or cancel a batch",
        description=(
            "`pause` makes no more jobs; those that are made go on. `resume` goes on, or starts what was only looked "
            "at. `cancel` ends the batch and its jobs."
        ),
        responses=documented(*CHANGE_BATCH),
    )
    async def move(batch_id: str, move: Literal["pause", "resume", "cancel"], batches: BatchWriter) -> BatchBody:
        return await batches.change_state(batch_id, move)

    @router.get(
        BATCHES_PATH + "/{batch_id}/entries", summary="List a batch's entries", responses=documented(*ONE_BATCH)
    )
    async def list_entries(
        batch_id: str,
        batches: BatchReader,
        after: Annotated[int, Query(ge=-1, le=1 << 31)] = -1,
        limit: Annotated[int, Query(ge=1, le=1000)] = 500,
        state: Annotated[EntryState | None, Query(description="Only entries that have no job and are so.")] = None,
    ) -> EntryPage:
        found = await batches.entries(batch_id, after, limit, state)
        following = found[-1].seq if len(found) == limit else None
        return EntryPage(entries=[EntryBody.of(entry) for entry in found], next_after=following)

    @router.put(
        BATCHES_PATH + "/{batch_id}/entries/{seq}",
        status_code=202,
        response_model=JobBody,
        summary="Upload an entry's recording",
        openapi_extra=binary_body(),
        responses=documented(*UPLOAD_ENTRY),
    )
    async def upload(batch_id: str, seq: int, request: Request, batches: BatchWriter) -> JobBody:
        async with batches.jobs.spool() as spool:
            await batches.jobs.check_backlog()
            entry = await batches.waiting(batch_id, seq)
            length = content_length(request.headers)
            if length is not None:
                await spool.announce(length)
            sent = body_of(request.stream(), length, backend.limits.pace)
            await receive_recording(sent, spool, request.headers.get("content-type", ""), entry.filename)
            await spool.finish()
            job = await batches.upload(batch_id, entry, spool)
        (body,) = await batches.jobs.show(job)
        return body

    @router.get(
        BATCHES_PATH + "/{batch_id}/manifest",
        response_class=StreamingResponse,
        summary="Fetch the output manifest",
        description="A JSON object per entry and line: its job, state, reason, and results with size and SHA-256.",
        responses={
            200: {"content": {"application/x-ndjson": {"schema": {"type": "string"}}}, "description": "The manifest."},
            **documented(*STORED_BATCH),
        },
    )
    async def manifest(batch_id: str, batches: BatchReader, checksums: bool = True) -> Response:
        await batches.get(batch_id)
        return StreamingResponse(batches.manifest(batch_id, checksums=checksums), media_type="application/x-ndjson")

    return router


def _submit_openapi() -> dict[str, Any]:
    extra = documented_json(BatchRequest)
    extra["requestBody"]["content"]["application/x-ndjson"] = {"schema": {"type": "string"}}
    return extra
