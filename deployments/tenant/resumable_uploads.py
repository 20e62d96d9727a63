"""`TenantUploads`: one tenant's resumable uploads, from their pieces and the protocol's decisions to their jobs."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass, replace

import anyio

from deployments.intake.idempotency import held
from deployments.intake.resumable.piece_writer import PieceWriter
from deployments.intake.resumable.records import Resumable
from deployments.intake.resumable.tus_protocol import (
    Append,
    Creation,
    CutBack,
    Decision,
    MakeJob,
    PieceHead,
    Refuse,
    TusUpload,
)
from deployments.intake.resumable.uploads import ResumableUploads, job_key
from deployments.intake.spool import body_of
from deployments.intake.submission import Submission, clean_filename, merge_options, read_overrides
from deployments.limits import UploadPace
from deployments.sources.blocks import joined
from deployments.tenant.jobs import TenantJobs
from deployments.tenant.threads import in_thread
from pipelines.audio.first_bytes import FirstBytes
from pipelines.errors import InvalidRequest, RequestInFlight, UnsupportedFormat, UploadBusy, UploadIncomplete

HOLD_S = 6.0
"""How long an upload takes no piece after the endpoint that took one was killed.

Short, since clients wait for it, or try again for about ten seconds; it is renewed three times in that time. Should an
endpoint stand still for longer, both write the same bytes: see `deployments.intake.resumable.records.in_order`.
"""

PATIENCE_S = HOLD_S + 1.0
"""How long a request waits for another one that writes to its upload.

A client goes on at once after a cut, while what its torn connection brought is still being stored; after the end of an
endpoint the mark runs out meanwhile. So clients that do not try again need not be told that an upload is busy.
"""

LOOK_S = 0.1  # between looks whether an upload is still written to

_leaving: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, kw_only=True)
class TenantUploads:
    """The uploads of the tenant of ``jobs``; ``pace`` is how slowly pieces may come.

    Methods that take an id raise `NotFound`.
    """

    jobs: TenantJobs
    files: ResumableUploads
    pace: UploadPace

    async def begin(self, creation: Creation) -> Resumable:
        """Begin an upload.

        Raises `InvalidOptions`, `ModelUnknown`, `TooLarge`, `Overloaded`, `Draining`, `StoreFull`.
        """
        return await self._begun(creation, creation.n_bytes, "partial" if creation.is_partial else "")

    async def concatenate(self, creation: Creation, concat: str) -> Resumable:
        """Put an upload together of its parts, which are gone then, and make its job; ``concat`` is the header.

        Raises what `begin` does, `UploadIncomplete` while bytes of a part are missing, and `UnsupportedFormat`.
        """
        found = [await in_thread(self.files.get, self.jobs.tenant, part) for part in creation.parts]
        for part, n_there in found:
            if not part.is_partial:
                raise InvalidRequest(f"Upload {part.id} is not a part of another: its Upload-Concat was not partial.")
            if n_there < part.n_bytes:
                raise UploadIncomplete(f"Upload {part.id} has {n_there} of {part.n_bytes} bytes.")
        async with self._alone(creation.parts[0]):
            record = await self._begun(creation, sum(part.n_bytes for part, _ in found), concat)
            try:
                (await in_thread(self.files.first_bytes, record)).finish()
            except BaseException:
                await in_thread(self.files.delete, record)
                raise
            return await self._job_made(record)

    async def _begun(self, creation: Creation, n_bytes: int, concat: str) -> Resumable:
        values = merge_options({name: [text] for name, text in creation.options.items()}, {})
        options, reference = await read_overrides(values, self.jobs.policy)
        await self.jobs.check_backlog()
        return await in_thread(
            self.files.create,
            self.jobs.tenant,
            n_bytes,
            clean_filename(creation.filename),
            options,
            self.jobs.limits,
            reference,
            concat,
            creation.parts,
        )

    async def get(self, upload_id: str) -> tuple[Resumable, int]:
        """Return an upload and how many bytes of it are there.

        Waits for a request that writes to it; one that goes on and on is not waited for. Makes the job where the
        process was killed between the last byte and the job.
        """
        record, n_there = await in_thread(self.files.get, self.jobs.tenant, upload_id)
        if record.job_id:
            return record, n_there
        with contextlib.suppress(UploadBusy):
            async with self._alone(upload_id):
                record, n_there = await in_thread(self.files.get, self.jobs.tenant, upload_id)
                return await self._concluded(record, _state(record, n_there).asked()), n_there
        return await in_thread(self.files.get, self.jobs.tenant, upload_id)

    async def append(
        self, upload_id: str, headers: Mapping[str, str], body: AsyncIterator[bytes]
    ) -> tuple[Resumable, int]:
        """Append a piece, and make the job after the last one; return the upload and how many bytes are there.

        Raises `OffsetConflict`, `UploadBusy`, `UploadStalled`, `ChecksumMismatch`, `InvalidRequest`, `StoreFull`, and
        `UnsupportedFormat` from the first bytes of what is no recording: then the upload is gone.
        """
        await in_thread(self.files.get, self.jobs.tenant, upload_id)
        head = PieceHead.of(headers)
        async with self._alone(upload_id):
            record, n_there = await in_thread(self.files.get, self.jobs.tenant, upload_id)
            upload = _state(record, n_there)
            if record.job_id:
                return await self._concluded(record, upload.piece_began(head)), n_there
            try:
                decisions = await self._written(record, upload, head, body)
                await self._look_again(record, head, decisions)
            except UnsupportedFormat:
                await in_thread(self.files.delete, record)
                raise
            return await self._concluded(record, decisions), upload.offset

    @contextlib.asynccontextmanager
    async def _alone(self, upload_id: str) -> AsyncIterator[None]:
        """Keep other requests, of any endpoint, from writing to an upload meanwhile.

        Raises `UploadBusy` where another one still does after `PATIENCE_S`.
        """
        key, give_up_s = f"{job_key(upload_id)}/piece", time.monotonic() + PATIENCE_S
        async with contextlib.AsyncExitStack() as stack:
            while True:
                try:
                    await stack.enter_async_context(held(self.jobs.ledger.holds, self.jobs.tenant, key, HOLD_S))
                    break
                except RequestInFlight:
                    if time.monotonic() > give_up_s:
                        raise UploadBusy(f"Another request writes to upload {upload_id}.") from None
                    await asyncio.sleep(LOOK_S)
            yield

    async def end(self, upload_id: str) -> None:
        """Delete what has arrived of an upload; the job that it became stays."""
        record, _ = await in_thread(self.files.get, self.jobs.tenant, upload_id)
        await in_thread(self.files.delete, record)

    async def _written(
        self, record: Resumable, upload: TusUpload, head: PieceHead, body: AsyncIterator[bytes]
    ) -> tuple[Decision, ...]:
        """Write a piece as the protocol decides; return what is to be done after its last byte."""
        writer = PieceWriter(self.files, record, upload.offset, at_once=head.checksum is not None)
        try:
            await _carry_out(writer, upload.piece_began(head))
            is_looked_at = not (head.offset or head.checksum or upload.is_partial)
            first_bytes = FirstBytes() if is_looked_at else None
            async for block in joined(_looked_at(body_of(body, None, self.pace), first_bytes)):
                await _carry_out(writer, upload.data_came(block))
            decisions = upload.piece_ended()
            if first_bytes and MakeJob() in decisions:
                first_bytes.finish()
            await _carry_out(writer, decisions)
            await writer.commit()
        except BaseException:
            await _left(writer, keep=not upload.piece_cut())
            raise
        finally:
            writer.close()
        return decisions

    async def _look_again(self, record: Resumable, head: PieceHead, decisions: tuple[Decision, ...]) -> None:
        """Look at a first piece that is stored, once its checksum was verified; raises `UnsupportedFormat`."""
        if head.offset or head.checksum is None or record.is_partial:
            return
        first_bytes = await in_thread(self.files.first_bytes, record)
        if MakeJob() in decisions:
            first_bytes.finish()

    async def _concluded(self, record: Resumable, decisions: tuple[Decision, ...]) -> Resumable:
        """Refuse or make the job where that was decided; return the upload as it is then."""
        for decision in decisions:
            match decision:
                case Refuse(error, detail):
                    raise error(detail)
                case MakeJob():
                    return await self._job_made(record)
        return record

    async def _job_made(self, record: Resumable) -> Resumable:
        """Make the job of an upload that is whole, once."""
        submission = Submission(
            options=record.options,
            filename=record.filename,
            upload_id=record.id,
            pieces=_Whole(self.files, record),
            idempotency_key=job_key(record.id),
            reference=record.reference,
        )
        job, _ = await self.jobs.accept(submission)
        await in_thread(self.files.finish, record, job.id)
        return replace(record, job_id=job.id)


@dataclass(frozen=True)
class _Whole:
    """Implements `deployments.intake.job_sources.Pieces`."""

    files: ResumableUploads
    record: Resumable

    @property
    def n_bytes(self) -> int:
        return self.record.n_bytes

    def blocks(self) -> Iterable[bytes]:
        return self.files.blocks(self.record)


async def _looked_at(body: AsyncIterator[bytes], first_bytes: FirstBytes | None) -> AsyncIterator[bytes]:
    """Pass a first piece on while its bytes may be of a recording; raises `UnsupportedFormat`.

    One with a checksum passes: bytes that were torn on their way say nothing about the recording.
    """
    async for block in body:
        if first_bytes is not None:
            first_bytes.feed(block)
        yield block


def _state(record: Resumable, n_there: int) -> TusUpload:
    return TusUpload(n_bytes=record.n_bytes, offset=n_there, has_job=bool(record.job_id), is_partial=record.is_partial)


async def _left(writer: PieceWriter, *, keep: bool) -> None:
    """Keep what came of a piece that was cut, or undo it, however often its request is cancelled meanwhile."""
    task = asyncio.create_task(writer.leave(keep=keep))
    _leaving.add(task)
    task.add_done_callback(_leaving.discard)
    with anyio.CancelScope(shield=True):
        await asyncio.shield(task)


async def _carry_out(writer: PieceWriter, decisions: tuple[Decision, ...]) -> None:
    """Do to an upload what was decided."""
    for decision in decisions:
        match decision:
            case Append(data):
                await writer.append(data)
            case CutBack():  # always to where the piece began
                await writer.undo()
            case Refuse(error, detail):
                raise error(detail)
