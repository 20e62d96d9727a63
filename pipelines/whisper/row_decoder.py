"""Decoding encoded rows until their text is sound, and turning the tokens into timed text.

Rows travel as `DecodeState`s: windows that try the same thing share a call of the decoder, so that second tries of
many rows run as wide as first ones.
"""

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import TypeVar

import numpy as np

from pipelines.core import ChunkResult, DecodedSegment, LanguagePassage
from pipelines.whisper.confidence import Curve, with_confidence
from pipelines.whisper.ct2_model import Encoding, Generated, RowFailure, WhisperModel
from pipelines.whisper.options import (
    MAX_PROMPT_TOKENS,
    Attempt,
    Candidate,
    DecodeRequest,
    attempts_for,
    average_logprob,
    choose,
    token_budget,
)
from pipelines.whisper.passages import swapped, with_doubt
from pipelines.whisper.quality import Decoding, compression_ratio, failed_rules, is_silence
from pipelines.whisper.sentences import split_sentences
from pipelines.whisper.timestamps import Interval, TokenSegment, audible_ticks, sounding, split_segments, to_seconds
from pipelines.whisper.tokenizer import Vocabulary
from pipelines.whisper.unheard import is_voiced, segment_of
from pipelines.whisper.word_timestamps import time_words, without_pauses

UNSURE_BELOW = 0.8
"""Probability of a language under which bad outcomes may be the language's fault."""

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


@dataclass(kw_only=True)
class DecodeState:
    """A row on its way: what the encoder made of it and what was decoded so far.

    ``timestamps`` says that the model writes times; otherwise words are aligned. ``passages`` say how its language was
    detected, where it was. ``error`` is set when the row failed;
    it is then left alone, and may have no ``encoding``.
    """

    row: DecodeRequest
    language: str
    timestamps: bool
    encoding: Encoding = field(default_factory=lambda: np.empty((0, 0), np.float32))
    candidates: list[Candidate] = field(default_factory=list)
    error: str = ""
    passages: tuple[LanguagePassage, ...] = ()

    @cached_property
    def sound(self) -> Interval:
        """Where the row sounds at all."""
        return sounding(self.row.pcm)

    @cached_property
    def voiced(self) -> bool:
        """Whether voice activity is sure of any speech in the row."""
        return is_voiced(self.row.pcm)

    @property
    def wants_words(self) -> bool:
        """Whether words are to be aligned: they were asked for, or nothing else tells the times."""
        return self.row.options.word_timestamps or not self.timestamps

    @property
    def is_doubtful(self) -> bool:
        """Whether the last outcome breaks a rule of quality."""
        return not self.error and bool(self.candidates) and bool(self.candidates[-1].faults)

    @property
    def runner_up(self) -> str:
        """The language that may be meant as well; "" where the language is sure."""
        if len(self.passages) != 1 or self.passages[0].probability >= UNSURE_BELOW:
            return ""
        return self.passages[0].runner_up

    def take_runner_up(self, candidates: list[Candidate]) -> None:
        """Go on in the runner-up's language, in which these were decoded."""
        self.passages = (swapped(self.passages[0]),)
        self.language, self.candidates = self.passages[0].language, candidates

    @property
    def next_attempt(self) -> Attempt | None:
        """How to decode next; None once an outcome is sound, or every way was tried."""
        attempts = attempts_for(self.row.options)
        settled = self.error or (self.candidates and not self.candidates[-1].faults)
        return None if settled or len(self.candidates) == len(attempts) else attempts[len(self.candidates)]


class WindowDecoder:
    """Decodes windows with one model; holds no state between calls."""

    def __init__(
        self, model: WhisperModel, vocabulary: Vocabulary, *, language_tokens: bool, confidence: Curve = ()
    ) -> None:
        """``language_tokens``: whether the model was trained with language and task tokens in its prompt.

        ``confidence`` calibrates the probabilities of words.
        """
        self._model = model
        self._vocabulary = vocabulary
        self._language_tokens = language_tokens
        self._confidence = confidence

    def decode(self, windows: Sequence[DecodeState], n_attempts: int = 0) -> None:
        """Try each window's attempts in turn; windows that try the same go through the decoder together.

        ``n_attempts``: of each window at most; 0: all that it has.
        """
        while groups := grouped(windows, self._call):
            for (attempt, *_), group in groups.items():
                self._decode_once(group, attempt)
            n_attempts -= 1
            if not n_attempts:
                return

    def _call(self, window: DecodeState) -> tuple[Attempt, int, bool, int] | None:
        """The call a window wants next: the attempt, and what CTranslate2 needs equal among rows; None when done."""
        attempt = window.next_attempt
        if attempt is None:
            return None
        return attempt, len(self._prompt(window)), window.timestamps, len(window.encoding)

    def _prompt(self, window: DecodeState) -> list[int]:
        """Prompt text on the first attempt, then the task."""
        options, tokens = window.row.options, self._vocabulary
        primed = options.prompt.strip() and not window.candidates
        prefix = tokens.encode(" " + options.prompt.strip())[-MAX_PROMPT_TOKENS + 1 :] if primed else []
        prompt = [tokens.sot_prev, *prefix] if prefix else []
        return [*prompt, *self._task(window), *([] if window.timestamps else [tokens.no_timestamps])]

    def _task(self, window: DecodeState) -> tuple[int, ...]:
        tokens = self._vocabulary
        if not self._language_tokens:
            return (tokens.sot,)
        task = tokens.translate if window.row.options.task == "translate" else tokens.transcribe
        return (tokens.sot, tokens.language_token(window.language), task)

    def _decode_once(self, windows: Sequence[DecodeState], attempt: Attempt) -> None:
        """Decode windows of one shape once and judge what comes."""
        outcomes = self._model.generate(
            [window.encoding for window in windows],
            [self._prompt(window) for window in windows],
            attempt,
            max(token_budget(window.row.duration_s) for window in windows),
        )
        for window, outcome in zip(windows, outcomes, strict=True):
            if isinstance(outcome, RowFailure):
                window.error = str(outcome)
            else:
                window.candidates.append(self._judge(window, attempt, outcome))

    def _judge(self, window: DecodeState, attempt: Attempt, outcome: Generated) -> Candidate:
        row = window.row
        budget = token_budget(row.duration_s)
        tokens = outcome.tokens[:budget]
        decoding = Decoding(
            text=self._vocabulary.decode(tokens),
            avg_logprob=average_logprob(outcome.score, len(tokens)),
            no_speech_prob=outcome.no_speech_prob,
            speech_s=self._speech_s(window, tokens),
            voiced=outcome.no_speech_prob <= row.options.thresholds.max_no_speech_prob or window.voiced,
            truncated=len(outcome.tokens) >= budget,
            prompt=row.options.prompt if not window.candidates else "",
        )
        silent = is_silence(decoding, row.options.thresholds)
        return Candidate(
            attempt=attempt,
            tokens=() if silent else tokens,
            text="" if silent else decoding.text,
            avg_logprob=decoding.avg_logprob,
            no_speech_prob=decoding.no_speech_prob,
            faults=failed_rules(decoding, row.options.thresholds),
        )

    def _speech_s(self, window: DecodeState, tokens: Sequence[int]) -> float:
        """Return the seconds that the tokens speak for: to the last timestamp, what follows is decoded again."""
        segments = self._segments(window, tokens) if window.timestamps else []
        return to_seconds(segments[-1].end) if segments and segments[-1].closed else window.row.duration_s

    def _segments(self, window: DecodeState, tokens: Sequence[int]) -> list[TokenSegment]:
        segments = split_segments(
            tokens,
            eot=self._vocabulary.eot,
            timestamp_begin=self._vocabulary.timestamp_begin,
            sound=window.sound,
        )
        return [segment for segment in segments if self._vocabulary.decode(segment.tokens).strip()]

    def finish(self, windows: Sequence[DecodeState]) -> list[ChunkResult]:
        """Return results of decoded windows."""
        chosen = [choose(window.candidates) if window.candidates and not window.error else None for window in windows]
        tokens = [candidate.tokens if candidate else () for candidate in chosen]
        decoded = self._with_words(windows, [self._segments(w, t) for w, t in zip(windows, tokens, strict=True)])
        return [
            failed(window.row, window.error)
            if candidate is None or window.error
            else _result(window, candidate, segments)
            for window, candidate, segments in zip(windows, chosen, decoded, strict=True)
        ]

    def _with_words(
        self, windows: Sequence[DecodeState], cut: Sequence[Sequence[TokenSegment]]
    ) -> list[tuple[DecodedSegment, ...]]:
        """Give every segment its text, and its words where they are wanted."""
        decoded = [tuple(self._untimed(segment) for segment in segments) for segments in cut]
        wanted = [i for i, window in enumerate(windows) if window.wants_words and cut[i]]
        for (task, _), group in grouped(wanted, lambda i: (self._task(windows[i]), len(windows[i].encoding))).items():
            texts = [[token for segment in cut[i] for token in segment.tokens] for i in group]
            aligned = self._model.align(
                [windows[i].encoding for i in group], task, texts, [len(windows[i].row.pcm) for i in group]
            )
            for i, outcome in zip(group, aligned, strict=True):
                if isinstance(outcome, RowFailure):
                    windows[i].error = f"the words could not be aligned: {outcome}"
                    continue
                window = windows[i]
                timed = time_words(cut[i], outcome.path, outcome.probabilities, self._vocabulary, window.sound)
                words = [with_confidence(each, self._confidence) for each in timed]
                if window.timestamps:
                    decoded[i] = tuple(segment_of(each) for each in words)
                else:
                    audible = audible_ticks(window.row.pcm)
                    spoken = without_pauses([word for each in words for word in each], audible)
                    decoded[i] = tuple(segment_of(sentence) for sentence in split_sentences(spoken))
        return decoded

    def _untimed(self, segment: TokenSegment) -> DecodedSegment:
        return DecodedSegment(
            start_s=to_seconds(segment.start),
            end_s=to_seconds(segment.end),
            text=self._vocabulary.decode(segment.tokens),
        )


def _result(window: DecodeState, candidate: Candidate, segments: tuple[DecodedSegment, ...]) -> ChunkResult:
    result = ChunkResult(
        index=window.row.index,
        language=window.language,
        segments=segments,
        avg_logprob=candidate.avg_logprob,
        no_speech_prob=candidate.no_speech_prob,
        compression_ratio=compression_ratio(candidate.text),
        temperature=candidate.attempt.temperature,
        suspect=tuple(candidate.faults),
        n_attempts=len(window.candidates),
        passages=window.passages,
    )
    return with_doubt(result, window.row.options.min_language_probability)


def failed(row: DecodeRequest, error: str) -> ChunkResult:
    """Return the result of a row that failed."""
    return replace(silent(row, row.options.language or ""), no_speech_prob=0.0, error=error)


def silent(row: DecodeRequest, language: str) -> ChunkResult:
    """Return the result of a row of digital silence."""
    return ChunkResult(
        index=row.index,
        language=language,
        segments=(),
        avg_logprob=0.0,
        no_speech_prob=1.0,
        compression_ratio=0.0,
        temperature=0.0,
    )


def grouped(items: Iterable[T], key: Callable[[T], K | None]) -> dict[K, list[T]]:
    """Items by key, without those whose key is None."""
    groups: defaultdict[K, list[T]] = defaultdict(list)
    for item in items:
        name = key(item)
        if name is not None:
            groups[name].append(item)
    return dict(groups)
