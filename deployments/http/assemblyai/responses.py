"""A job as AssemblyAI tells of a transcript: its status, text, words, utterances, sentences, paragraphs."""

import json
from collections.abc import Mapping, Sequence
from typing import Literal

from pydantic import Field

from deployments.http.assemblyai.forms import TranscriptRequest
from deployments.http.waiting import failure_of
from deployments.schemas.options import ApiModel
from deployments.sources.urls import public_part
from pipelines.core import Transcript
from pipelines.export.spoken_words import (
    SpokenWord,
    Voice,
    confidence_of,
    paragraphs,
    sentences,
    speaker_numbers,
    spoken_words,
    text_of,
    utterances,
)
from pipelines.jobs.dialect import ASSEMBLYAI
from pipelines.jobs.job import Job, JobState

Status = Literal["queued", "processing", "completed", "error"]
STATES: Mapping[Status, tuple[JobState, ...]] = {
    "queued": (JobState.QUEUED,),
    "processing": (JobState.TRANSCRIBING,),
    "completed": (JobState.SUMMARIZING, JobState.SUCCEEDED),
    "error": (JobState.FAILED, JobState.CANCELLED),
}
"""The states of a job that each status stands for."""

UTTERANCE_PAUSE_S = 2.0
DELETED = "Deleted by user."
_DIGITS = 5  # of confidences
_N_LETTERS = 26


class TranscriptWord(ApiModel):
    """A word; times are in milliseconds."""

    text: str
    start: int
    end: int
    confidence: float
    speaker: str | None = None
    channel: str | None = None


class TranscriptPart(TranscriptWord):
    """An utterance, a sentence or a paragraph: words of one voice."""

    words: list[TranscriptWord]


class TranscriptSentences(ApiModel):
    """The sentences of a transcript."""

    id: str
    confidence: float
    audio_duration: float = Field(description="Seconds.")
    sentences: list[TranscriptPart]


class TranscriptParagraphs(ApiModel):
    """The paragraphs of a transcript."""

    id: str
    confidence: float
    audio_duration: float = Field(description="Seconds.")
    paragraphs: list[TranscriptPart]


class TranscriptBody(ApiModel):
    """A transcript, which is null until it is `completed`."""

    id: str = Field(description="The job's id.")
    status: Status
    error: str | None = Field(default=None, description="Why there is no transcript.")
    audio_url: str
    text: str | None = None
    words: list[TranscriptWord] | None = None
    utterances: list[TranscriptPart] | None = Field(
        default=None, description="With `speaker_labels` or `multichannel`."
    )
    confidence: float | None = None
    audio_duration: int | None = Field(default=None, description="Seconds.")
    audio_channels: int | None = None
    language_code: str | None = None
    language_confidence: float | None = None
    language_detection: bool = False
    punctuate: bool = True
    format_text: bool = True
    multichannel: bool = False
    dual_channel: bool = False
    speaker_labels: bool = False
    speakers_expected: int | None = None
    keyterms_prompt: list[str] | None = None
    word_boost: list[str] | None = None
    filter_profanity: bool = False
    redact_pii: bool = False
    redact_pii_policies: list[str] | None = None
    speech_model: str | None = Field(default=None, description="As it was asked for.")
    speech_model_used: str | None = None
    webhook_url: str | None = Field(default=None, description="Shown without its query.")
    webhook_auth: bool = False


def status_of(job: Job) -> Status:
    """Return the status that a job's state is."""
    return next(status for status, states in STATES.items() if job.state in states)


def transcript_body(job: Job, transcript: Transcript | None, audio_url: str) -> TranscriptBody:
    """Tell of a job; ``transcript`` is None until there is one, ``audio_url`` that of an upload."""
    asked = _asked(job, audio_url)
    failure = failure_of(job)
    told = TranscriptBody(
        id=job.id,
        status=status_of(job),
        error=failure.detail if failure else None,
        audio_url=asked.audio_url,
        language_code=job.options.language,
        language_detection=asked.language_detection,
        punctuate=asked.punctuate,
        format_text=asked.format_text,
        multichannel=asked.multichannel,
        dual_channel=asked.dual_channel,
        speaker_labels=asked.speaker_labels,
        speakers_expected=asked.speakers_expected,
        keyterms_prompt=list(asked.keyterms_prompt) or None,
        word_boost=list(asked.word_boost) or None,
        filter_profanity=asked.filter_profanity,
        redact_pii=asked.redact_pii,
        redact_pii_policies=list(asked.redact_pii_policies) or None,
        speech_model=asked.speech_model,
        webhook_url=public_part(job.options.webhook_url or "") or None,
    )
    if transcript is None:
        return told
    view = _View(asked, transcript)
    spoken = next(iter(transcript.languages), None)
    return told.model_copy(
        update={
            "text": view.text(view.words),
            "words": [view.word(word) for word in view.words],
            "utterances": view.utterances(),
            "confidence": round(confidence_of(view.words), _DIGITS),
            "audio_duration": round(transcript.duration_s),
            "audio_channels": transcript.n_channels,
            "language_code": transcript.language or None,
            "language_confidence": round(spoken.probability, _DIGITS) if spoken else None,
            "speech_model_used": transcript.model.name,
        }
    )


def sentences_body(job: Job, transcript: Transcript) -> TranscriptSentences:
    """Return a transcript by sentences."""
    view = _View(_asked(job, ""), transcript)
    return TranscriptSentences(
        id=job.id,
        confidence=round(confidence_of(view.words), _DIGITS),
        audio_duration=round(transcript.duration_s, 3),
        sentences=[view.part(words) for words in sentences(view.words)],
    )


def paragraphs_body(job: Job, transcript: Transcript) -> TranscriptParagraphs:
    """Return a transcript by paragraphs."""
    view = _View(_asked(job, ""), transcript)
    whole = [[word for sentence in found for word in sentence] for found in paragraphs(view.words)]
    return TranscriptParagraphs(
        id=job.id,
        confidence=round(confidence_of(view.words), _DIGITS),
        audio_duration=round(transcript.duration_s, 3),
        paragraphs=[view.part(words) for words in whole],
    )


def deleted_body(job: Job) -> TranscriptBody:
    """Tell of a job that was erased."""
    return TranscriptBody(id=job.id, status=status_of(job), audio_url="http://deleted_by_user", text=DELETED)


def _asked(job: Job, audio_url: str) -> TranscriptRequest:
    """Return what was asked for; jobs that came in another way ask for nothing more than their text."""
    asked = json.loads(job.dialect.asked) if job.dialect.name == ASSEMBLYAI else {}
    url = public_part(job.source_url) or audio_url or "upload"
    return TranscriptRequest.model_validate({**asked, "audio_url": url})


class _View:
    """The words of a transcript as a request wants them told."""

    def __init__(self, asked: TranscriptRequest, transcript: Transcript) -> None:
        self._asked = asked
        self.words = spoken_words(transcript)
        self._labels = _labels(asked, self.words)

    def text(self, words: Sequence[SpokenWord]) -> str:
        return text_of(words, self._written)

    def _written(self, word: SpokenWord) -> str:
        text = word.text if self._asked.punctuate else word.unpunctuated
        return text if self._asked.format_text else text.lower()

    def word(self, word: SpokenWord) -> TranscriptWord:
        return TranscriptWord(
            text=self._written(word),
            start=_ms(word.start_s),
            end=_ms(word.end_s),
            confidence=round(word.confidence, _DIGITS),
            speaker=self._labels.get(word.voice),
            channel=self._channel(word),
        )

    def _channel(self, word: SpokenWord) -> str | None:
        return str(word.channel + 1) if self._asked.splits_channels else None

    def utterances(self) -> list[TranscriptPart] | None:
        if not self._labels:
            return None
        found = utterances(self.words, UTTERANCE_PAUSE_S, lambda word: word.voice)
        return [self.part(words) for words in found]

    def part(self, words: Sequence[SpokenWord]) -> TranscriptPart:
        return TranscriptPart(
            text=self.text(words),
            start=_ms(words[0].start_s),
            end=_ms(words[-1].end_s),
            confidence=round(confidence_of(words), _DIGITS),
            speaker=self._labels.get(words[0].voice),
            channel=self._channel(words[0]),
            words=[self.word(word) for word in words],
        )


def _labels(asked: TranscriptRequest, words: Sequence[SpokenWord]) -> dict[Voice, str]:
    """Name the voices: by letter with ``speaker_labels``, by the number of their channel with ``multichannel``."""
    numbers = speaker_numbers(words)
    if asked.speaker_labels and asked.splits_channels:
        within: dict[int, int] = {}
        labels: dict[Voice, str] = {}
        for voice in numbers:
            labels[voice] = f"{voice[0] + 1}{_letter(within.get(voice[0], 0))}"
            within[voice[0]] = within.get(voice[0], 0) + 1
        return labels
    if asked.speaker_labels:
        return {voice: _letter(number) for voice, number in numbers.items()}
    return {voice: str(voice[0] + 1) for voice in numbers} if asked.splits_channels else {}


def _letter(number: int) -> str:
    """Return A, B … Z, AA, AB …"""
    rest, last = divmod(number, _N_LETTERS)
    return (_letter(rest - 1) if rest else "") + chr(ord("A") + last)


def _ms(at_s: float) -> int:
    return round(at_s * 1000)
