"""The MinutesWriter: turns a stored transcript into minutes and documents."""

import asyncio
from collections.abc import Mapping

from deployments.ports import MinutesRequest, WrittenResults
from pipelines.codec import decode
from pipelines.core import Minutes, Transcript
from pipelines.errors import MinutesError
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

    async def write(self, request: MinutesRequest) -> WrittenResults:
        """Write minutes (unless the job wants none), render every document, store them.

        Minutes that cannot be written never cost a transcript: its documents are there, and the note says why.
        """
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        transcript = decode(Transcript, await asyncio.to_thread(self._store.get, keys.transcript))
        minutes, note = None, ""
        if request.minutes != "none":
            try:
                minutes = await self._writers[request.minutes].write(
                    transcript, MinutesOptions(language=request.language)
                )
            except MinutesError as error:
                note = f"There are no minutes: {error}"
        names = await asyncio.to_thread(self._render_all, keys, transcript, minutes, request.title)
        return WrittenResults(names=names, note=note)

    def _render_all(
        self, keys: JobKeys, transcript: Transcript, minutes: Minutes | None, title: str
    ) -> tuple[str, ...]:
        names = [name for name in RESULT_FORMATS if minutes is not None or not name.startswith("minutes.")]
        for name in names:
            self._store.put(keys.result(name), render(name, transcript, minutes, title))
        return tuple(names)
