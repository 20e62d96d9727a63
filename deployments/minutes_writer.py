"""The MinutesWriter: turns a stored transcript into minutes and documents."""

import asyncio
from collections.abc import Mapping

from deployments.ports import MinutesRequest
from pipelines.codec import decode
from pipelines.core import Minutes, Transcript
from pipelines.export import render
from pipelines.jobs import RESULT_FORMATS
from pipelines.keys import JobKeys
from pipelines.minutes.protocol import MinutesOptions, Writer
from pipelines.storage import BlobStore


class MinutesWriter:
    """Serves many jobs at once; ``writers`` maps a job's choice (``auto``, ``extractive``) to who writes."""

    def __init__(self, *, store: BlobStore, writers: Mapping[str, Writer]) -> None:
        self._store = store
        self._writers = writers

    async def write(self, request: MinutesRequest) -> tuple[str, ...]:
        """Write minutes (unless the job wants none), render every document, store them; return their names."""
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        transcript = decode(Transcript, await asyncio.to_thread(self._store.get, keys.transcript))
        minutes = None
        if request.minutes != "none":
            options = MinutesOptions(language=request.language)
            minutes = await self._writers[request.minutes].write(transcript, options)
        return await asyncio.to_thread(self._render_all, keys, transcript, minutes, request.title)

    def _render_all(
        self, keys: JobKeys, transcript: Transcript, minutes: Minutes | None, title: str
    ) -> tuple[str, ...]:
        names = [name for name in RESULT_FORMATS if minutes is not None or not name.startswith("minutes.")]
        for name in names:
            self._store.put(keys.result(name), render(name, transcript, minutes, title))
        return tuple(names)
