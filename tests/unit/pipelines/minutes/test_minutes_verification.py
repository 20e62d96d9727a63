"""Verification of minutes against the transcript, whoever wrote them."""

from dataclasses import replace
from typing import Any

import pytest

from pipelines.core import (
    ActionItem,
    CoverageStatus,
    Decision,
    Evidence,
    Minutes,
    ModelInfo,
    OpenQuestion,
    Segment,
    Topic,
    Transcript,
)
from pipelines.minutes.language.numbers import numbers_in
from pipelines.minutes.verification import Verdict, check_quote, verify

LINES = (
    ("Alice", "We decided to spend twenty-five thousand dollars on the new office."),
    ("Bob", "Carol will, um, sign the contract by Friday."),
    ("Alice", "How do we migrate the billing system?"),
    ("", "Sales in Boston went up by five percent."),
)


@pytest.fixture
def transcript() -> Transcript:
    return Transcript(
        duration_s=40.0,
        language="en",
        languages=(),
        segments=tuple(
            Segment(id=index, channel=0, speaker=speaker, start_s=10.0 * index, end_s=10.0 * index + 9, text=text)
            for index, (speaker, text) in enumerate(LINES)
        ),
        coverage=(),
        model=ModelInfo(name="test"),
    )


@pytest.fixture
def minutes() -> Minutes:
    return Minutes(
        title="Office",
        language="en",
        writer="llm",
        model="test",
        summary="The team will spend 25,000 dollars. Sales rose by 5 percent.",
        participants=("Alice", "Bob"),
        topics=(
            Topic(
                title="Office",
                summary="A new office for 25000 dollars.",
                start_s=0.0,
                end_s=20.0,
                evidence=Evidence(segment_ids=(0,), quote="twenty-five thousand dollars on the new office"),
            ),
        ),
        decisions=(Decision(text="Spend 25,000 dollars on the office", evidence=evidence(0, "We decided to spend")),),
        action_items=(
            ActionItem(task="Sign the contract", owner="Carol", due="Friday", evidence=evidence(1, LINES[1][1])),
        ),
        open_questions=(OpenQuestion(text="How to migrate billing?", evidence=evidence(2, LINES[2][1])),),
    )


def evidence(segment_id: int, quote: str) -> Evidence:
    return Evidence(segment_ids=(segment_id,), quote=quote)


def with_action(minutes: Minutes, **changes: Any) -> Minutes:
    return replace(minutes, action_items=(replace(minutes.action_items[0], **changes),))


def test_supported_minutes_stay_as_they_are(minutes: Minutes, transcript: Transcript) -> None:
    """Minutes that say only what was said, in digits or words, pass unchanged."""
    assert verify(minutes, transcript) == minutes


def test_unknown_segments_drop_the_item(minutes: Minutes, transcript: Transcript) -> None:
    """Every kind of item goes when it cites a segment that does not exist."""
    nowhere = Evidence(segment_ids=(0, 99), quote="We decided")
    broken = replace(
        minutes,
        topics=tuple(replace(topic, evidence=nowhere) for topic in minutes.topics),
        decisions=tuple(replace(decision, evidence=nowhere) for decision in minutes.decisions),
        action_items=tuple(replace(item, evidence=nowhere) for item in minutes.action_items),
        open_questions=tuple(replace(question, evidence=nowhere) for question in minutes.open_questions),
    )
    checked = verify(broken, transcript)
    assert (checked.topics, checked.decisions, checked.action_items, checked.open_questions) == ((), (), (), ())


@pytest.mark.parametrize(
    ("quote", "verdict"),
    [
        ("We decided to spend twenty-five thousand dollars", Verdict.HOLDS),
        ("we DECIDED to spend, twenty-five thousand dollars!", Verdict.HOLDS),
        ("We decided to spend about twenty-five thousand dollars", Verdict.DOUBTFUL),
        ("They agreed to buy a red car", Verdict.FAILS),
        ("", Verdict.FAILS),
        ("?!", Verdict.FAILS),
    ],
)
def test_quotes_are_compared_by_words(quote: str, verdict: Verdict, transcript: Transcript) -> None:
    """Case and punctuation do not matter, an added word is doubtful, other words fail."""
    segments = {segment.id: segment for segment in transcript.segments}
    assert check_quote(evidence(0, quote), segments) is verdict


def test_a_quote_must_stand_in_the_cited_segments(minutes: Minutes, transcript: Transcript) -> None:
    """What was said elsewhere is no evidence."""
    decision = Decision(text="Migrate", evidence=evidence(3, "We decided to spend"))
    assert verify(replace(minutes, decisions=(decision,)), transcript).decisions == ()


def test_a_quote_may_straddle_segments(transcript: Transcript) -> None:
    """Cited segments are read in the order in which they are cited."""
    segments = {segment.id: segment for segment in transcript.segments}
    quote = "on the new office. Carol will"
    assert check_quote(Evidence(segment_ids=(0, 1), quote=quote), segments) is Verdict.HOLDS
    assert check_quote(Evidence(segment_ids=(1, 0), quote=quote), segments) is not Verdict.HOLDS


def test_a_number_nobody_said_makes_a_decision_doubtful(minutes: Minutes, transcript: Transcript) -> None:
    """The decision stays, marked as not verified."""
    decision = replace(minutes.decisions[0], text="Spend 26,000 dollars on the office")
    (checked,) = verify(replace(minutes, decisions=(decision,)), transcript).decisions
    assert not checked.verified


def test_a_name_nobody_said_makes_a_decision_doubtful(minutes: Minutes, transcript: Transcript) -> None:
    """A person the cited segments do not name is doubtful even without numbers."""
    decision = replace(minutes.decisions[0], text="Spend the money that Walter asked for")
    (checked,) = verify(replace(minutes, decisions=(decision,)), transcript).decisions
    assert not checked.verified


@pytest.mark.parametrize(
    ("owner", "kept", "verified"),
    [
        ("Carol", "Carol", True),  # named in the cited segment
        ("Bob", "Bob", True),  # spoke the cited segment
        ("Alice", "Alice", False),  # known, but not there
        ("Walter", None, False),  # nobody by that name
    ],
)
def test_an_owner_must_be_spoken_or_speak(
    owner: str, kept: str | None, verified: bool, minutes: Minutes, transcript: Transcript
) -> None:
    """An owner nobody named goes; one known from elsewhere is doubtful."""
    (item,) = verify(with_action(minutes, owner=owner), transcript).action_items
    assert (item.owner, item.verified) == (kept, verified)


def test_a_due_date_nobody_said_goes(minutes: Minutes, transcript: Transcript) -> None:
    """The task stays, without its date and doubtful."""
    (item,) = verify(with_action(minutes, due="Monday"), transcript).action_items
    assert (item.due, item.verified) == (None, False)


def test_badly_decoded_segments_are_doubtful(minutes: Minutes, transcript: Transcript) -> None:
    """What a suspect segment says may be an invention of the recogniser."""
    suspect = replace(
        transcript, segments=tuple(replace(segment, health=CoverageStatus.SUSPECT) for segment in transcript.segments)
    )
    checked = verify(minutes, suspect)
    assert not checked.decisions[0].verified
    assert not checked.action_items[0].verified


def test_the_summary_loses_sentences_with_numbers_nobody_said(minutes: Minutes, transcript: Transcript) -> None:
    """Other sentences of the summary stay."""
    wrong = replace(minutes, summary="Sales rose by 5 percent. Profit fell by 80 percent. An office is planned.")
    assert verify(wrong, transcript).summary == "Sales rose by 5 percent. An office is planned."


def test_unknown_participants_go(minutes: Minutes, transcript: Transcript) -> None:
    """Only speakers and names that were spoken take part."""
    assert verify(replace(minutes, participants=("Alice", "Walter")), transcript).participants == ("Alice",)


def test_topics_with_impossible_times_go(minutes: Minutes, transcript: Transcript) -> None:
    """A topic that ends before it starts is dropped."""
    topic = replace(minutes.topics[0], start_s=30.0, end_s=10.0)
    assert verify(replace(minutes, topics=(topic,)), transcript).topics == ()


def test_verifying_twice_changes_nothing_more(minutes: Minutes, transcript: Transcript) -> None:
    """Verification is idempotent."""
    once = verify(with_action(minutes, owner="Walter", due="Monday", task="Pay 12 dollars"), transcript)
    assert verify(once, transcript) == once


@pytest.mark.parametrize(
    ("text", "numbers"),
    [
        ("twenty-five thousand", {25_000}),
        ("three hundred and ten", {310}),
        ("25,000 dollars", {25_000}),
        ("2.5 million", {2_500_000}),
        ("May tenth", {10}),
        ("the 21st", {21}),
        ("one of them, the second thing", set()),
        ("five seven", {5, 7}),
        ("二十五个", {25}),
        ("三千五百万", {35_000_000}),
        ("两百", {200}),
        ("一些", set()),
    ],
)
def test_numbers_in_words_and_digits(text: str, numbers: set[float]) -> None:
    """A number counts the same however it is written."""
    assert numbers_in(text) == numbers
