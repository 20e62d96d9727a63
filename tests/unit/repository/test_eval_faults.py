"""A slice of the corpus of spoiled answers: nothing false is printed as a fact, and nothing true is lost."""

import pytest

from pipelines.core import Minutes, Transcript
from scripts.minutes_truth.faults import KINDS
from scripts.minutes_truth.measure import Outcome, corpus, measure, report
from scripts.minutes_truth.meetings import made_up

SEED = 7
MEETINGS = [made_up(number, SEED) for number in range(5)]


async def outcomes(n_cases: int, formats: tuple[str, ...] = ("minutes.md",)) -> list[Outcome]:
    return await measure(corpus(MEETINGS, n_cases, SEED), formats=formats)


async def test_every_kind_of_spoiled_answer() -> None:
    """Each kind once, over meetings in three languages: no false item unmarked, no true one lost, few calls."""
    found = await outcomes(len(KINDS))
    assert [outcome.printed_false for outcome in found if outcome.printed_false] == []
    assert [outcome.lost for outcome in found if outcome.lost] == []
    assert sum(bool(outcome.parked) for outcome in found) < len(found) / 3
    assert all("language model" in outcome.parked for outcome in found if outcome.parked)
    assert sum(outcome.n_calls for outcome in found) <= 2.5 * len(found)
    assert f"0 of {sum(len(outcome.case.false) for outcome in found)} (0.0 %)" in report(found)


async def test_what_is_false_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without verification most of what is false is printed: the measure sees it in documents, letters and console."""

    def unverified(minutes: Minutes, transcript: Transcript) -> Minutes:
        return minutes

    for module in ("drafting", "repair", "writer"):
        monkeypatch.setattr(f"pipelines.minutes.llm.{module}.verify", unverified)
    found = await outcomes(len(KINDS))
    n_false = sum(len(outcome.case.false) for outcome in found)
    printed = {(outcome.case.kind, false) for outcome in found for _, false in outcome.printed_false}
    places = {place for outcome in found for place, _ in outcome.printed_false}
    assert len(printed) > n_false / 3
    assert {"summary", "document", "template", "letter", "console", "minutes.md"} <= places


def test_the_corpus_is_the_same_every_time() -> None:
    """A seed gives the same meetings and answers."""
    assert corpus(MEETINGS, 40, SEED) == corpus([made_up(number, SEED) for number in range(5)], 40, SEED)
