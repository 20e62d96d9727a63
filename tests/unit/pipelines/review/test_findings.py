"""Findings: what is worth listening to in a transcript, and what is not."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from pipelines.core import (
    ActionItem,
    Coverage,
    CoverageStatus,
    Decision,
    Evidence,
    Minutes,
    ModelInfo,
    NameSource,
    Segment,
    Speaker,
    Transcript,
    Word,
)
from pipelines.review.findings import Finding, findings_of
from pipelines.review.reasons import ReviewReason
from pipelines.transcript.corrections import Edits, SegmentEdit, corrected

SUSPECT = CoverageStatus.SUSPECT


def segment(text: str = "Hello there.", words: Sequence[tuple[str, float]] = (), **fields: Any) -> Segment:
    timed = tuple(Word(text=word, start_s=10.0 + i, end_s=11.0 + i, probability=p) for i, (word, p) in enumerate(words))
    said = "".join(word.text for word in timed).strip() or text
    usual = Segment(id=0, channel=0, speaker="", start_s=10.0, end_s=20.0, text=said, words=timed)
    return replace(usual, **fields)


def transcript(*segments: Segment, coverage=(), language="en", speakers=()) -> Transcript:
    return Transcript(
        duration_s=60.0,
        language=language,
        languages=(),
        segments=segments,
        coverage=coverage,
        model=ModelInfo(name="m"),
        speakers=speakers,
    )


def minutes(*claims: Decision | ActionItem) -> Minutes:
    return Minutes(
        title="",
        language="en",
        writer="extractive",
        model="",
        summary="",
        decisions=tuple(claim for claim in claims if isinstance(claim, Decision)),
        action_items=tuple(claim for claim in claims if isinstance(claim, ActionItem)),
    )


def coverage(note: str, health: CoverageStatus = SUSPECT, start_s: float = 5.0, end_s: float = 25.0) -> Coverage:
    return Coverage(channel=0, start_s=start_s, end_s=end_s, health=health, note=note)


def found(*args) -> list[tuple[str, str]]:
    return [(finding.reason.value, finding.detail) for finding in findings_of(*args)]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ((("We", 0.2), (" saw", 0.3), (" Katrin", 0.3), (" now.", 0.1)), [("name", "Katrin")]),
        ((("We", 0.2), (" saw", 0.3), (" Katrin", 0.5), (" now.", 0.1)), []),
        ((("It", 0.2), (" costs", 0.2), (" 450", 0.4), (" euros.", 0.2)), [("number", "450")]),
        ((("It", 0.9), (" takes", 0.9), (" fifteen", 0.4), (" days.", 0.9)), [("number", "fifteen")]),
        ((("One", 0.2), (" moment.", 0.2)), []),
        ((("Ask", 0.9), (" Katrin's", 0.3), (" team.", 0.9)), [("name", "Katrin's")]),
    ],
)
def test_doubtful_names_and_numbers(words, expected):
    """Names and numbers under the threshold are found, other words are not, however doubtful."""
    assert found(transcript(segment(words=words))) == expected


def test_doubtful_names_and_numbers_in_chinese():
    """Names with titles, and numbers of several characters; a single numeral is none."""
    words = (
        ("请", 0.9),
        ("王", 0.3),
        ("总", 0.9),
        ("给", 0.2),
        ("一", 0.2),
        ("些", 0.2),
        ("三", 0.4),
        ("百", 0.9),
        ("块", 0.9),
    )
    assert found(transcript(segment(words=words, language="zh"), language="zh")) == [("name", "王"), ("number", "三")]


def test_a_finding_is_where_its_word_is():
    """With the word's times and one minus its confidence."""
    (finding,) = findings_of(transcript(segment(words=(("Call", 0.9), (" Katrin", 0.25)))))
    assert finding == Finding(
        reason=ReviewReason.NAME, channel=0, start_s=11.0, end_s=12.0, doubt=0.75, detail="Katrin"
    )


def test_suspect_passages():
    """A passage that fails rules, one in a doubtful language, one with both; the notes tell why."""
    doubtful = transcript(segment(health=SUSPECT), coverage=(coverage("low_logprob, language_doubtful"),))
    assert found(doubtful) == [("language", "language_doubtful"), ("suspect", "low_logprob")]
    only = transcript(segment(health=SUSPECT), coverage=(coverage("language_doubtful"),))
    assert found(only) == [("language", "language_doubtful")]
    assert found(transcript(segment(health=SUSPECT))) == [("suspect", "")]
    assert found(transcript(segment(), coverage=(coverage("", CoverageStatus.TRANSCRIBED),))) == []


def test_a_corrected_passage_is_suspect_no_more():
    """Its new words are certain, and the passage was looked at."""
    before = transcript(
        segment(words=(("Call", 0.9), (" Catrin", 0.3)), health=SUSPECT), coverage=(coverage("truncated"),)
    )
    assert found(before) == [("suspect", "truncated"), ("name", "Catrin")]
    after, _ = corrected(before, Edits(segments=(SegmentEdit(id=0, text="Call Katrin"),)))
    assert found(after) == []
    struck, _ = corrected(before, Edits(segments=(SegmentEdit(id=0, text=""),)))
    assert found(struck) == []


def test_what_was_not_transcribed():
    """Speech without words and chunks that were given up; what was damaged or never in the file cannot be heard."""
    parts = (
        coverage("unheard_speech", start_s=0.0, end_s=2.0),
        coverage("CUDA error", CoverageStatus.FAILED, 2.0, 9.0),
        coverage("damaged_audio", CoverageStatus.FAILED, 9.0, 12.0),
        coverage("not segmented", CoverageStatus.FAILED, 12.0, 60.0),
    )
    assert found(transcript(coverage=parts)) == [("unheard", "unheard_speech"), ("failed", "CUDA error")]


def test_speakers():
    """Overlapped speech, and nobody known where voices were told apart."""
    ann = Speaker(label="Speaker 1", name="Ann", source=NameSource.CORRECTED)
    assert found(transcript(segment(overlap=True, speaker="Ann"), speakers=(ann,))) == [("speaker", "")]
    assert found(transcript(segment(), speakers=(ann,))) == [("speaker", "")]
    assert found(transcript(segment())) == []


def test_decisions_and_tasks():
    """Every doubtful word of their evidence counts, and what could not be verified."""
    proof = Evidence(segment_ids=(0,), quote="")
    said = transcript(segment(words=(("We", 0.9), (" decline.", 0.3))), segment(id=1, words=(("Fine.", 0.1),)))
    decision = Decision(text="We decline", evidence=proof)
    assert found(said) == []
    assert found(said, minutes(decision)) == [("decision", "decline.")]
    unverified = minutes(decision, ActionItem(task="Decline", owner=None, due=None, evidence=proof, verified=False))
    assert found(said, unverified) == [("decision", ""), ("decision", "decline.")]
    assert found(replace(said, segments=()), unverified) == []
