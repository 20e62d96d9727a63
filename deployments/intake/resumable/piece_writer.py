"""`PieceWriter`: the body of one PATCH on its way into the blob store, bounded in memory."""

import asyncio
import uuid

import anyio.to_thread
import structlog

from deployments.intake.resumable.records import Resumable
from deployments.intake.resumable.uploads import ResumableUploads
from pipelines.errors import MeetMemoError

PIECE_BYTES = 8 << 20
MIN_PIECE_BYTES = 1 << 20
ALL_BYTES = 256 << 20
"""Bytes that all requests of a process may hold together before each of them writes smaller pieces."""

log = structlog.get_logger(__name__)


class PieceWriter:
    """Stores what it is given in pieces from ``offset``; belongs to an event loop.

    With ``at_once`` the pieces count together, from `commit` on; else each counts as soon as it is stored, so that what
    arrived before a cut is there.
    """

    def __init__(self, uploads: ResumableUploads, record: Resumable, offset: int, *, at_once: bool) -> None:
        self._uploads = uploads
        self._record = record
        self._offset = offset
        self._request = uuid.uuid4().hex if at_once else ""
        self._waiting = bytearray()
        self._stored: list[str] = []
        self._storing: asyncio.Task[str] | None = None
        uploads.n_writers += 1

    @property
    def _piece_bytes(self) -> int:
        return max(MIN_PIECE_BYTES, min(PIECE_BYTES, ALL_BYTES // max(1, self._uploads.n_writers)))

    async def append(self, data: bytes) -> None:
        """Take bytes; raises `StoreFull`, `StoreUnavailable`, and `NotFound` when the upload was ended meanwhile."""
        self._waiting += data
        if len(self._waiting) >= self._piece_bytes:
            await self._store()

    async def commit(self) -> None:
        """Store what is left and let all of it count; raises as `append` does."""
        await self._store()
        if self._request and self._stored:
            await anyio.to_thread.run_sync(self._uploads.verify, self._record, self._request)

    async def undo(self) -> None:
        """Delete what was stored, and drop the rest."""
        self._waiting.clear()
        stored, self._stored = self._stored, []
        await anyio.to_thread.run_sync(self._uploads.drop, stored)

    async def leave(self, *, keep: bool) -> None:
        """End a request that was cut, and ``keep`` what came of it; an error is logged: the client has gone."""
        if self._storing is not None:
            await asyncio.wait({self._storing})
        try:
            await (self._store() if keep else self.undo())
        except MeetMemoError as error:
            log.warning("end of a torn piece lost", action="piece_lost", upload_id=self._record.id, detail=str(error))

    def close(self) -> None:
        """Count the writer as ended."""
        self._uploads.n_writers -= 1

    async def _store(self) -> None:
        if not self._waiting:
            return
        # Whatever happens to this request while a thread stores the piece, it is never stored a second time.
        data, offset = bytes(self._waiting), self._offset
        self._waiting.clear()
        self._offset += len(data)
        self._stored.append(self._record.keys.piece(offset, len(data), self._request))
        keep = anyio.to_thread.run_sync(self._uploads.keep, self._record, offset, data, self._request)
        self._storing = asyncio.ensure_future(keep)
        await asyncio.shield(self._storing)
