"""A transcript as Deepgram answers: channels, alternatives, words, paragraphs, utterances."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import Field

from deployments.http.deepgram.query import ListenQuery
from deployments.schemas.options import ApiModel
from pipelines.core import Transcript
from pipelines.export.spoken_words import (
    SpokenWord,
    Voice,
    confidence_of,
    paragraphs,
    speaker_numbers,
    spoken_words,
    text_of,
    utterances,
)
from pipelines.text.typography import join_spoken

_DIGITS = 4  # of confidences


class ListenModel(ApiModel):
    """A model that transcribed."""

    name: str
    version: str
    arch: str


class ListenMetadata(ApiModel):
    """What is known of a request and its recording."""

    transaction_key: str = "deprecated"
    request_id: str = Field(description="The job's id.")
    sha256: str = Field(description="Of the recording.")
    created: str
    duration: float = Field(description="Seconds.")
    channels: int
    models: list[str]
    model_info: dict[str, ListenModel]
    tags: list[str] | None = None
    extra: dict[str, str] | None = None


class ListenWord(ApiModel):
    """A word in small letters, and as it is written where that was asked for."""

    word: str
    start: float
    end: float
    confidence: float
    punctuated_word: str | None = None
    speaker: int | None = None
    language: str | None = None


class ListenSentence(ApiModel):
    """A sentence of a paragraph."""

    text: str
    start: float
    end: float


class ListenParagraph(ApiModel):
    """Sentences of one voice."""

    sentences: list[ListenSentence]
    num_words: int
    start: float
    end: float
    speaker: int | None = None


class ListenParagraphs(ApiModel):
    """The text in paragraphs."""

    transcript: str
    paragraphs: list[ListenParagraph]


class ListenAlternative(ApiModel):
    """The text of a channel; there is one alternative."""

    transcript: str
    confidence: float
    words: list[ListenWord]
    languages: list[str] | None = None
    paragraphs: ListenParagraphs | None = None


class ListenChannel(ApiModel):
    """A channel, all of them together unless `multichannel` was asked for."""

    alternatives: list[ListenAlternative]
    detected_language: str | None = None
    language_confidence: float | None = None


class ListenUtterance(ApiModel):
    """Words of one voice without a pause between them."""

    start: float
    end: float
    confidence: float
    channel: int
    transcript: str
    words: list[ListenWord]
    speaker: int | None = None
    languages: list[str] | None = None
    id: str


class ListenResults(ApiModel):
    """The text of a recording."""

    channels: list[ListenChannel]
    utterances: list[ListenUtterance] | None = None


class ListenBody(ApiModel):
    """The answer with the text."""

    metadata: ListenMetadata
    results: ListenResults


class ListenAccepted(ApiModel):
    """The answer to a request with a callback."""

    request_id: str = Field(description="The job's id.")


@dataclass(frozen=True, kw_only=True)
class Listened:
    """A job that has its transcript, as an answer tells it; ``created_at`` is in ISO 8601."""

    request_id: str
    sha256: str
    created_at: str
    transcript: Transcript


def created_at(at_s: float) -> str:
    """Return Unix seconds in ISO 8601."""
    return datetime.fromtimestamp(at_s, UTC).isoformat().replace("+00:00", "Z")


def listen_body(listened: Listened, query: ListenQuery) -> ListenBody:
    """Render the answer to a query."""
    transcript = listened.transcript
    words = spoken_words(transcript)
    channels: Sequence[int | None] = range(transcript.n_channels) if query.multichannel else (None,)
    views = [_View(query, [word for word in words if channel in (None, word.channel)], channel) for channel in channels]
    return ListenBody(
        metadata=_metadata(listened, query, len(views)),
        results=ListenResults(
            channels=[_channel(view, transcript, query) for view in views],
            utterances=_utterances(views, query, listened.request_id) if query.utterances else None,
        ),
    )


def _utterances(views: Sequence["_View"], query: ListenQuery, request_id: str) -> list[ListenUtterance]:
    found = [(words, view) for view in views for words in utterances(view.words, query.utt_split, view.speaker)]
    found.sort(key=lambda each: (each[0][0].start_s, each[0][0].channel))
    return [
        view.utterance(words, str(uuid.uuid5(uuid.NAMESPACE_OID, f"{request_id}/{number}")))
        for number, (words, view) in enumerate(found)
    ]


def _metadata(listened: Listened, query: ListenQuery, n_channels: int) -> ListenMetadata:
    model = listened.transcript.model
    return ListenMetadata(
        request_id=listened.request_id,
        sha256=listened.sha256,
        created=listened.created_at,
        duration=round(listened.transcript.duration_s, 3),
        channels=n_channels,
        models=[model.name],
        model_info={model.name: ListenModel(name=model.name, version=model.sha256[:12], arch="whisper")},
        tags=list(query.tag) or None,
        extra=query.extras or None,
    )


class _View:
    """The words of one channel of an answer (None: of all), as a query wants them written."""

    def __init__(self, query: ListenQuery, words: Sequence[SpokenWord], channel: int | None) -> None:
        self._query = query
        self.words = words
        self.channel = channel
        self._numbers: Mapping[Voice, int] = speaker_numbers(words) if query.tells_speakers else {}

    def text(self, words: Sequence[SpokenWord]) -> str:
        return text_of(words) if self._query.is_punctuated else text_of(words, lambda word: word.bare)

    def speaker(self, word: SpokenWord) -> int | None:
        return self._numbers.get(word.voice)

    def languages(self, words: Sequence[SpokenWord]) -> list[str] | None:
        """Return the languages of words, that of most of them first, where several may be spoken."""
        if not self._query.is_multilingual:
            return None
        spoken = [word.language for word in words if word.language]
        return sorted(dict.fromkeys(spoken), key=lambda language: -spoken.count(language))

    def word(self, word: SpokenWord) -> ListenWord:
        return ListenWord(
            word=word.bare,
            start=round(word.start_s, 3),
            end=round(word.end_s, 3),
            confidence=round(word.confidence, _DIGITS),
            punctuated_word=word.text if self._query.is_punctuated else None,
            speaker=self.speaker(word),
            language=word.language or None if self._query.is_multilingual else None,
        )

    def utterance(self, words: Sequence[SpokenWord], name: str) -> ListenUtterance:
        return ListenUtterance(
            start=round(words[0].start_s, 3),
            end=round(words[-1].end_s, 3),
            confidence=round(confidence_of(words), _DIGITS),
            channel=self.channel or 0,
            transcript=self.text(words),
            words=[self.word(word) for word in words],
            speaker=self.speaker(words[0]),
            languages=self.languages(words),
            id=name,
        )

    def paragraph(self, sentences: Sequence[Sequence[SpokenWord]]) -> ListenParagraph:
        first, last = sentences[0][0], sentences[-1][-1]
        return ListenParagraph(
            sentences=[
                ListenSentence(
                    text=text_of(sentence), start=round(sentence[0].start_s, 3), end=round(sentence[-1].end_s, 3)
                )
                for sentence in sentences
            ],
            num_words=sum(map(len, sentences)),
            start=round(first.start_s, 3),
            end=round(last.end_s, 3),
            speaker=self.speaker(first),
        )

    def paragraphs(self) -> ListenParagraphs:
        found = [self.paragraph(sentences) for sentences in paragraphs(self.words)]
        return ListenParagraphs(transcript="\n" + "\n\n".join(map(_written, found)), paragraphs=found)


def _written(paragraph: ListenParagraph) -> str:
    text = join_spoken(sentence.text for sentence in paragraph.sentences)
    return text if paragraph.speaker is None else f"Speaker {paragraph.speaker}: {text}"


def _channel(view: _View, transcript: Transcript, query: ListenQuery) -> ListenChannel:
    spoken = [each for each in transcript.languages if view.channel in (None, each.channel)]
    detected = spoken[0] if spoken and query.detects else None
    return ListenChannel(
        alternatives=[
            ListenAlternative(
                transcript=view.text(view.words),
                confidence=round(confidence_of(view.words), _DIGITS),
                words=[view.word(word) for word in view.words],
                languages=view.languages(view.words),
                paragraphs=view.paragraphs() if query.has_paragraphs else None,
            )
        ],
        detected_language=detected.language if detected else None,
        language_confidence=round(detected.probability, _DIGITS) if detected else None,
    )
