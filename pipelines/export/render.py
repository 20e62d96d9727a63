"""Renders a transcript and its minutes in every result format.

The names are those of ``pipelines.jobs.job.RESULT_FORMATS``. Rendering is pure and deterministic: the same
values give the same bytes, and nothing reads a clock.
"""

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType

from pipelines.core import Minutes, Transcript
from pipelines.errors import OptionError, TemplateInvalid
from pipelines.export.blocks import Content, Layout
from pipelines.export.document import arranged_content, minutes_content
from pipelines.export.json_layout import minutes_json, transcript_json
from pipelines.export.markdown import minutes_md
from pipelines.export.plain_text import transcript_txt
from pipelines.export.srt import transcript_srt
from pipelines.export.subtitles import Subtitles
from pipelines.export.webvtt import transcript_vtt
from pipelines.jobs.reference import NO_REFERENCE, Reference
from pipelines.notes import Note
from pipelines.text.cleaning import cleaned


class Rendering:
    """Renders the results of one recording; what several formats share is made once, and each part when it is needed.

    ``title`` names the recording, ``layout`` is what a template made of the minutes, if one did; ``reference`` is what
    its submitter calls the recording. ``minutes`` is None where the job wants none. Use it in one thread at a time.
    """

    def __init__(
        self,
        transcript: Transcript,
        minutes: Minutes | None,
        title: str,
        layout: Layout | None = None,
        reference: Reference = NO_REFERENCE,
    ) -> None:
        self._said = transcript
        self._minutes = minutes
        self._title = title
        self._layout = layout
        self._reference = reference

    def render(self, name: str) -> bytes:
        """Render one result.

        Raises ``OptionError`` for a name that is no result format, and for ``minutes.*`` where there are none, its
        kind ``TemplateInvalid`` for a layout that a format cannot print.
        """
        if name not in RENDERERS:
            raise OptionError(f"{name!r} is no result format; known are {', '.join(RENDERERS)}")
        return RENDERERS[name](self)

    def notes(self) -> tuple[Note, ...]:
        """Return what the owner should know of the documents of the minutes; raises ``OptionError`` likewise."""
        from pipelines.export.pdf.document import pdf_notes  # as below

        return pdf_notes(self.content)

    def printed(self, renderer: Callable[[Content], bytes]) -> bytes:
        """Print the minutes' content; raises ``TemplateInvalid`` for a layout that cannot be printed."""
        content = self.content
        if self._layout is None:
            return renderer(content)
        try:
            return renderer(content)
        except Exception as error:  # whatever a format's library says of a layout that does not fit its pages
            raise TemplateInvalid(f"the layout cannot be printed: {str(error)[:200]}") from error

    @cached_property
    def transcript(self) -> Transcript:
        return cleaned(self._said)

    @cached_property
    def minutes(self) -> Minutes:
        if self._minutes is None:
            raise OptionError("this recording has no minutes to render")
        return cleaned(self._minutes)

    @cached_property
    def title(self) -> str:
        return cleaned(self._title)

    @cached_property
    def reference(self) -> Reference:
        return cleaned(self._reference)

    @cached_property
    def subtitles(self) -> Subtitles:
        return Subtitles(self.transcript)

    @cached_property
    def content(self) -> Content:
        said = self.transcript, self.minutes, self.title
        return minutes_content(*said) if self._layout is None else arranged_content(*said, self._layout)


def render(
    name: str,
    transcript: Transcript,
    minutes: Minutes | None,
    title: str,
    layout: Layout | None = None,
    reference: Reference = NO_REFERENCE,
) -> bytes:
    """Render one result, as `Rendering.render` does."""
    return Rendering(transcript, minutes, title, layout, reference).render(name)


def minutes_notes(
    transcript: Transcript, minutes: Minutes, title: str, layout: Layout | None = None
) -> tuple[Note, ...]:
    """Return what the owner should know of documents that `render` makes of the same values."""
    return Rendering(transcript, minutes, title, layout).notes()


def _minutes_docx(content: Content) -> bytes:
    # Imported with the first document: Ingestion prints few, and python-docx takes megabytes of a process.
    from pipelines.export.docx.document import minutes_docx

    return minutes_docx(content)


def _minutes_pdf(content: Content) -> bytes:
    # Imported with the first document, as above: reportlab takes as much.
    from pipelines.export.pdf.document import minutes_pdf

    return minutes_pdf(content)


RENDERERS: Mapping[str, Callable[[Rendering], bytes]] = MappingProxyType(
    {
        "transcript.json": lambda of: transcript_json(of.transcript, of.title, of.reference),
        "transcript.txt": lambda of: transcript_txt(of.transcript),
        "transcript.srt": lambda of: transcript_srt(of.subtitles),
        "transcript.vtt": lambda of: transcript_vtt(of.transcript, of.subtitles),
        "minutes.json": lambda of: minutes_json(of.transcript, of.minutes),
        "minutes.md": lambda of: of.printed(minutes_md),
        "minutes.docx": lambda of: of.printed(_minutes_docx),
        "minutes.pdf": lambda of: of.printed(_minutes_pdf),
    }
)
