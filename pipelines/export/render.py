"""Renders a transcript and its minutes in every result format.

The names are those of ``pipelines.jobs.job.RESULT_FORMATS``. Rendering is pure and deterministic: the same
values give the same bytes, and nothing reads a clock.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

from pipelines.core import Minutes, Transcript
from pipelines.errors import OptionError, TemplateInvalid
from pipelines.export.blocks import Content, Layout
from pipelines.export.document import arranged_content, minutes_content
from pipelines.export.json_layout import minutes_json, transcript_json
from pipelines.export.markdown import minutes_md
from pipelines.export.plain_text import transcript_txt
from pipelines.export.srt import transcript_srt
from pipelines.export.webvtt import transcript_vtt
from pipelines.jobs.reference import NO_REFERENCE, Reference
from pipelines.notes import Note
from pipelines.text.cleaning import cleaned

Renderer = Callable[[Transcript, Minutes | None, str, Layout | None, Reference], bytes]
"""Takes transcript, minutes (None where the job wants none), the recording's title, its layout, its reference."""


def render(
    name: str,
    transcript: Transcript,
    minutes: Minutes | None,
    title: str,
    layout: Layout | None = None,
    reference: Reference = NO_REFERENCE,
) -> bytes:
    """Render one result; ``title`` names the recording, ``layout`` is what a template made of the minutes, if one did.

    ``reference`` is what its submitter calls the recording.

    Raises ``OptionError`` for a name that is no result format, and for ``minutes.*`` when ``minutes`` is None, its kind
    ``TemplateInvalid`` for a layout that a format cannot print.
    """
    if name not in RENDERERS:
        raise OptionError(f"{name!r} is no result format; known are {', '.join(RENDERERS)}")
    return RENDERERS[name](transcript, minutes, title, layout, reference)


def _for_transcript(renderer: Callable[[Transcript, str], bytes]) -> Renderer:
    def render_clean(
        transcript: Transcript, minutes: Minutes | None, title: str, layout: Layout | None, reference: Reference
    ) -> bytes:
        return renderer(cleaned(transcript), cleaned(title))

    return render_clean


def _transcript_json(
    transcript: Transcript, minutes: Minutes | None, title: str, layout: Layout | None, reference: Reference
) -> bytes:
    return transcript_json(cleaned(transcript), cleaned(title), cleaned(reference))


def _for_minutes(renderer: Callable[[Transcript, Minutes], bytes]) -> Renderer:
    def render_clean(
        transcript: Transcript, minutes: Minutes | None, title: str, layout: Layout | None, reference: Reference
    ) -> bytes:
        return renderer(cleaned(transcript), cleaned(_present(minutes)))

    return render_clean


def minutes_notes(
    transcript: Transcript, minutes: Minutes, title: str, layout: Layout | None = None
) -> tuple[Note, ...]:
    """Return what the owner should know of documents that `render` makes of the same values."""
    from pipelines.export.pdf.document import pdf_notes  # as below

    return pdf_notes(_content(transcript, minutes, title, layout))


def _for_document(renderer: Callable[[Content], bytes]) -> Renderer:
    def render_clean(
        transcript: Transcript, minutes: Minutes | None, title: str, layout: Layout | None, reference: Reference
    ) -> bytes:
        content = _content(transcript, _present(minutes), title, layout)
        if layout is None:
            return renderer(content)
        try:
            return renderer(content)
        except Exception as error:  # whatever a format's library says of a layout that does not fit its pages
            raise TemplateInvalid(f"the layout cannot be printed: {str(error)[:200]}") from error

    return render_clean


def _content(transcript: Transcript, minutes: Minutes, title: str, layout: Layout | None) -> Content:
    said = cleaned(transcript), cleaned(minutes), cleaned(title)
    return minutes_content(*said) if layout is None else arranged_content(*said, layout)


def _minutes_docx(content: Content) -> bytes:
    # Imported with the first document: Ingestion prints few, and python-docx takes megabytes of a process.
    from pipelines.export.docx.document import minutes_docx

    return minutes_docx(content)


def _minutes_pdf(content: Content) -> bytes:
    # Imported with the first document, as above: reportlab takes as much.
    from pipelines.export.pdf.document import minutes_pdf

    return minutes_pdf(content)


def _present(minutes: Minutes | None) -> Minutes:
    if minutes is None:
        raise OptionError("this recording has no minutes to render")
    return minutes


RENDERERS: Mapping[str, Renderer] = MappingProxyType(
    {
        "transcript.json": _transcript_json,
        "transcript.txt": _for_transcript(lambda transcript, title: transcript_txt(transcript)),
        "transcript.srt": _for_transcript(lambda transcript, title: transcript_srt(transcript)),
        "transcript.vtt": _for_transcript(lambda transcript, title: transcript_vtt(transcript)),
        "minutes.json": _for_minutes(minutes_json),
        "minutes.md": _for_document(minutes_md),
        "minutes.docx": _for_document(_minutes_docx),
        "minutes.pdf": _for_document(_minutes_pdf),
    }
)
