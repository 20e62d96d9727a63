"""`Documents`: renders what a job brings, and stores it. Its methods block."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from deployments.ports import MinutesRequest
from pipelines.core import Minutes, Transcript
from pipelines.export.render import Rendering
from pipelines.export.templating.process import UNUSABLE, IsolatedTemplates
from pipelines.export.templating.templates import Templates, values_of
from pipelines.export.templating.tenant_styles import TenantStyles
from pipelines.jobs.job import RESULT_FORMATS
from pipelines.notes import Note
from pipelines.storage.layout import JobKeys
from pipelines.storage.protocol import BlobStore

TRANSCRIPT_FORMATS = tuple(name for name in RESULT_FORMATS if name.startswith("transcript."))
MINUTES_FORMATS = tuple(name for name in RESULT_FORMATS if name.startswith("minutes."))


class StoredMinutes(NamedTuple):
    """How many bytes the documents of minutes have, and what their owner should know: of the wishes in ``note``."""

    n_bytes: int
    note: str
    notes: tuple[Note, ...]


class Documents:
    """Renders transcripts and minutes as documents, minutes in the style of their tenant."""

    def __init__(self, store: BlobStore, styles: TenantStyles, templates: Templates | None = None) -> None:
        """Render with ``templates``; None: each template in a process of its own."""
        self._store = store
        self._styles = styles
        self._templates = templates if templates is not None else IsolatedTemplates()

    def store_transcript(self, request: MinutesRequest, transcript: Transcript) -> int:
        """Store a transcript's documents; returns how many bytes they have."""
        rendering = Rendering(transcript, None, request.title, reference=request.reference)
        return self._put(request, _rendered(rendering, TRANSCRIPT_FORMATS))

    def store_minutes(self, request: MinutesRequest, transcript: Transcript, minutes: Minutes) -> StoredMinutes:
        """Store the documents of minutes.

        A template that these minutes cannot be laid out by gives way to the usual layout, and the note says so.
        """
        note = ""
        try:
            written = minutes.writer != "none"  # no template says that there is nothing to say
            template = self._styles.template(request.tenant, request.template, minutes.language) if written else ""
            values = values_of(transcript, minutes, request.title) if template else {}
            layout = self._templates.lay_out(template, values) if template else None
            rendering = Rendering(transcript, minutes, request.title, layout)
            documents = _rendered(rendering, MINUTES_FORMATS)
        except UNUSABLE as error:
            note = f"The minutes have the usual layout: the template cannot be used ({error.reason}: {error})"
            rendering = Rendering(transcript, minutes, request.title)
            documents = _rendered(rendering, MINUTES_FORMATS)
        return StoredMinutes(self._put(request, documents), note, rendering.notes())

    def _put(self, request: MinutesRequest, documents: Mapping[str, bytes]) -> int:
        keys = JobKeys(tenant=request.tenant, job_id=request.job_id)
        self._store.put_all({keys.result(name): document for name, document in documents.items()})
        return sum(map(len, documents.values()))


def _rendered(rendering: Rendering, names: Iterable[str]) -> Mapping[str, bytes]:
    return {name: rendering.render(name) for name in names}
