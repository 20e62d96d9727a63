"""Findings: what in a transcript may be wrong or missing, where, and how doubtful it is. Pure."""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pipelines.core import (
    DOUBTFUL_WORD_BELOW,
    ActionItem,
    Coverage,
    CoverageStatus,
    Decision,
    Minutes,
    Segment,
    Transcript,
    Word,
)
from pipelines.minutes.language.proper_names import names_in
from pipelines.minutes.language.wording import tokens
from pipelines.review.reasons import ReviewReason
from pipelines.text.number_words import CARDINALS, DIGITS_ZH, SCALES, SCALES_ZH
from pipelines.text.typography import HAN
from pipelines.transcript.coverage import DAMAGED_AUDIO, LANGUAGE_DOUBTFUL, NOT_SEGMENTED, UNHEARD_SPEECH

_SUSPECT_DOUBT = 0.8
_UNVERIFIED_DOUBT = 0.7
_UNKNOWN_SPEAKER_DOUBT = 0.8
_OVERLAP_DOUBT = 0.4  # the words of one voice are missing, but most of such speech is a "yes"

_NOT_TO_HEAR = frozenset({DAMAGED_AUDIO, NOT_SEGMENTED})
_NUMBER_WORDS = frozenset((*CARDINALS, *SCALES)) - {"one"}
_NUMBER_ZH = re.compile(f"[{''.join((*DIGITS_ZH, *SCALES_ZH))}]{{2,}}")
"""A single numeral is mostly none: 一些, 万分."""
_IN_HAN = re.compile(f"[{HAN}]")


@dataclass(frozen=True, kw_only=True)
class Finding:
    """Something doubtful from ``start_s`` to ``end_s`` of a channel; ``doubt``: how probably it is wrong, 0 to 1.

    ``detail`` is the word that may be wrong, or the note of the coverage ledger.
    """

    reason: ReviewReason
    channel: int
    start_s: float
    end_s: float
    doubt: float
    detail: str = ""


def findings_of(transcript: Transcript, minutes: Minutes | None = None) -> tuple[Finding, ...]:
    """Return the findings of a transcript, and in what proves the decisions and tasks of its minutes.

    A passage that a person corrected is suspect no more, and what they wrote is certain; see
    `pipelines.transcript.corrections.corrected`.
    """
    proofs = _proofs(minutes) if minutes else {}
    told_apart = bool(transcript.speakers)
    found = [*_not_transcribed(transcript.coverage)]
    for segment in transcript.segments:
        if segment.text:
            found += _in_segment(segment, segment.language or transcript.language, transcript.coverage, told_apart)
            found += _in_proof(segment, proofs)
    return tuple(found)


def _not_transcribed(coverage: Collection[Coverage]) -> Iterator[Finding]:
    for part in coverage:
        notes = part.note.split(", ")
        if part.health is CoverageStatus.FAILED and part.note not in _NOT_TO_HEAR:
            reason = ReviewReason.FAILED
        elif part.health is CoverageStatus.SUSPECT and UNHEARD_SPEECH in notes:
            reason = ReviewReason.UNHEARD
        else:
            continue
        yield Finding(
            reason=reason, channel=part.channel, start_s=part.start_s, end_s=part.end_s, doubt=1.0, detail=part.note
        )


def _in_segment(segment: Segment, language: str, coverage: Collection[Coverage], told_apart: bool) -> Iterator[Finding]:
    if segment.health is CoverageStatus.SUSPECT:
        notes = _notes(segment, coverage)
        if LANGUAGE_DOUBTFUL in notes:
            yield _of(segment, ReviewReason.LANGUAGE, _SUSPECT_DOUBT, LANGUAGE_DOUBTFUL)
        others = [note for note in notes if note not in (LANGUAGE_DOUBTFUL, UNHEARD_SPEECH)]
        if others or not notes:
            yield _of(segment, ReviewReason.SUSPECT, _SUSPECT_DOUBT, ", ".join(others))
    if told_apart and not segment.speaker:
        yield _of(segment, ReviewReason.SPEAKER, _UNKNOWN_SPEAKER_DOUBT)
    elif segment.overlap:
        yield _of(segment, ReviewReason.SPEAKER, _OVERLAP_DOUBT)
    yield from _words(segment, language)


def _notes(segment: Segment, coverage: Collection[Coverage]) -> tuple[str, ...]:
    """Return what the coverage ledger says of the stretch that a suspect segment is in."""
    said = (
        part.note
        for part in coverage
        if part.channel == segment.channel
        and part.health is CoverageStatus.SUSPECT
        and part.start_s < segment.end_s
        and segment.start_s < part.end_s
    )
    return tuple(dict.fromkeys(note for notes in said for note in notes.split(", ") if note))


def _words(segment: Segment, language: str) -> Iterator[Finding]:
    """Yield the doubtful names and numbers of a segment whose words were aligned."""
    if not any(_is_doubtful(word) for word in segment.words):
        return
    text = "".join(word.text for word in segment.words)
    names = names_in(text, language)
    latin = {name for name in names if not _IN_HAN.search(name)}
    named = [match.span() for name in names - latin for match in re.finditer(re.escape(name), text)]
    numbers = [match.span() for match in _NUMBER_ZH.finditer(text)]
    at = 0
    for word in segment.words:
        start, at = at, at + len(word.text)
        if not _is_doubtful(word):
            continue
        parts = {token.removesuffix("'s") for token in tokens(word.text)}
        if any(map(str.isdigit, word.text)) or parts & _NUMBER_WORDS or _touches(start, at, numbers):
            yield _of_word(segment, word, ReviewReason.NUMBER)
        elif parts & latin or _touches(start, at, named):
            yield _of_word(segment, word, ReviewReason.NAME)


def _touches(start: int, end: int, spans: Collection[tuple[int, int]]) -> bool:
    return any(first < end and start < last for first, last in spans)


def _proofs(minutes: Minutes) -> Mapping[int, Decision | ActionItem]:
    """Return what each segment is evidence of: a decision or a task, first of all one that could not be verified."""
    claims: list[Decision | ActionItem] = [*minutes.decisions, *minutes.action_items]
    claims.sort(key=lambda claim: claim.verified, reverse=True)
    return {i: claim for claim in claims for i in claim.evidence.segment_ids}


def _in_proof(segment: Segment, proofs: Mapping[int, Decision | ActionItem]) -> Iterator[Finding]:
    claim = proofs.get(segment.id)
    if claim is None:
        return
    if not claim.verified:
        yield _of(segment, ReviewReason.DECISION, _UNVERIFIED_DOUBT)
    for word in segment.words:
        if _is_doubtful(word):
            yield _of_word(segment, word, ReviewReason.DECISION)


def _is_doubtful(word: Word) -> bool:
    return word.probability < DOUBTFUL_WORD_BELOW and bool(word.text.strip())


def _of(segment: Segment, reason: ReviewReason, doubt: float, detail: str = "") -> Finding:
    return Finding(
        reason=reason,
        channel=segment.channel,
        start_s=segment.start_s,
        end_s=segment.end_s,
        doubt=doubt,
        detail=detail,
    )


def _of_word(segment: Segment, word: Word, reason: ReviewReason) -> Finding:
    return Finding(
        reason=reason,
        channel=segment.channel,
        start_s=word.start_s,
        end_s=word.end_s,
        doubt=1 - word.probability,
        detail=word.text.strip(),
    )
