"""A transcript in each of OpenAI's response formats."""

from collections.abc import Sequence
from dataclasses import replace
from string import ascii_uppercase
from typing import Literal

from pydantic import Field

from deployments.http.openai.forms import Format, Task
from deployments.schemas.options import ApiModel
from pipelines.core import NameSource, Segment, Transcript
from pipelines.export.render import render
from pipelines.speakers.labelling import number_of
from pipelines.text.languages import NAMES
from pipelines.text.typography import join_spoken

MEDIA_TYPES: dict[Format, str] = {
    "text": "text/plain; charset=utf-8",
    "srt": "application/x-subrip; charset=utf-8",
    "vtt": "text/vtt; charset=utf-8",
}
_FRAMES_PER_S = 100  # Whisper counts ``seek`` in frames of its features
_DIGITS = 4  # of confidences


class Usage(ApiModel):
    """The billed duration of a request."""

    type: Literal["duration"] = "duration"
    seconds: float


class TranscriptionBody(ApiModel):
    """``response_format=json``."""

    text: str
    usage: Usage


class WordBody(ApiModel):
    """A word, its times and its confidence (`pipelines.core.Word`), which OpenAI does not tell."""

    word: str
    start: float
    end: float
    probability: float


class VerboseSegment(ApiModel):
    """A segment of ``verbose_json``; token ids are not kept.

    OpenAI does not tell ``language``, its own, nor ``speaker``, which is there where voices were told apart.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int] = Field(default_factory=list)
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float
    language: str
    speaker: str | None = None


class VerboseBody(ApiModel):
    """``response_format=verbose_json``; ``words`` and ``segments`` as asked for."""

    task: Task
    language: str
    duration: float
    text: str
    segments: list[VerboseSegment] | None = None
    words: list[WordBody] | None = None
    usage: Usage


class DiarizedSegment(ApiModel):
    """The words of one speaker."""

    type: Literal["transcript.text.segment"] = "transcript.text.segment"
    id: str
    start: float
    end: float
    speaker: str
    text: str


class DiarizedBody(ApiModel):
    """``response_format=diarized_json``."""

    task: Literal["transcribe"] = "transcribe"
    duration: float
    text: str
    segments: list[DiarizedSegment]
    usage: Usage


def speech_body(transcript: Transcript, format: Format, task: Task, granularities: frozenset[str]) -> tuple[bytes, str]:
    """Render an answer; return it and its media type."""
    if format == "text":
        return f"{spoken(transcript.segments)}\n".encode(), MEDIA_TYPES[format]
    if format in ("srt", "vtt"):
        return render(f"transcript.{format}", replace(transcript, notes=()), None, ""), MEDIA_TYPES[format]
    body: ApiModel
    if format == "verbose_json":
        body = _verbose(transcript, task, granularities or frozenset({"segment"}))
    elif format == "diarized_json":
        body = DiarizedBody(
            duration=transcript.duration_s,
            text=spoken(transcript.segments),
            segments=[diarized(segment, i) for i, segment in enumerate(transcript.segments)],
            usage=usage_of(transcript),
        )
    else:
        body = TranscriptionBody(text=spoken(transcript.segments), usage=usage_of(transcript))
    return body.model_dump_json(exclude_none=True).encode(), "application/json"


def without_inferred_names(transcript: Transcript) -> Transcript:
    """Return a transcript whose speakers have numbers in place of names that were inferred from what is said.

    OpenAI's answers have no place to mark them as such.
    """
    labels = {each.name: each.label for each in transcript.speakers if each.source is NameSource.INFERRED}
    segments = (replace(each, speaker=labels.get(each.speaker, each.speaker)) for each in transcript.segments)
    return replace(transcript, segments=tuple(segments)) if labels else transcript


def spoken(segments: Sequence[Segment]) -> str:
    """Return the text of segments as one line of speech."""
    return join_spoken(segment.text for segment in segments)


def usage_of(transcript: Transcript) -> Usage:
    return Usage(seconds=round(transcript.duration_s, 3))


def diarized(segment: Segment, number: int) -> DiarizedSegment:
    """Return a segment with its speaker: as named, else a letter for the voice or the channel."""
    return DiarizedSegment(
        id=f"seg_{number}",
        start=round(segment.start_s, 3),
        end=round(segment.end_s, 3),
        speaker=_speaker(segment),
        text=segment.text.strip(),
    )


def _speaker(segment: Segment) -> str:
    if number := number_of(segment.speaker):
        return _letters(number - 1)
    unnamed = segment.speaker in ("", f"Channel {segment.channel + 1}")
    return _letters(segment.channel) if unnamed else segment.speaker


def _letters(number: int) -> str:
    """Count in letters as columns of a sheet are: A to Z, AA, AB."""
    before, last = divmod(number, len(ascii_uppercase))
    return (_letters(before - 1) if before else "") + ascii_uppercase[last]


def _verbose(transcript: Transcript, task: Task, granularities: frozenset[str]) -> VerboseBody:
    segments = [
        VerboseSegment(
            id=segment.id,
            seek=round(segment.start_s * _FRAMES_PER_S),
            start=round(segment.start_s, 3),
            end=round(segment.end_s, 3),
            text=segment.text,
            temperature=segment.temperature,
            avg_logprob=segment.avg_logprob,
            compression_ratio=segment.compression_ratio,
            no_speech_prob=segment.no_speech_prob,
            language=NAMES.get(segment.language or transcript.language, segment.language),
            speaker=segment.speaker or None,
        )
        for segment in transcript.segments
    ]
    words = [
        WordBody(
            word=word.text.strip(),
            start=round(word.start_s, 3),
            end=round(word.end_s, 3),
            probability=round(word.probability, _DIGITS),
        )
        for segment in transcript.segments
        for word in segment.words
    ]
    return VerboseBody(
        task=task,
        language=NAMES.get(transcript.language, transcript.language),
        duration=round(transcript.duration_s, 3),
        text=spoken(transcript.segments),
        segments=segments if "segment" in granularities else None,
        words=words if "word" in granularities else None,
        usage=usage_of(transcript),
    )
