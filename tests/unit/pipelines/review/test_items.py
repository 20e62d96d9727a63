"""Review items: findings by the minute, scored; what somebody heard is settled."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Segment
from pipelines.errors import InvalidRequest
from pipelines.review.cursor import ReviewCursor
from pipelines.review.findings import Finding
from pipelines.review.items import ITEM_S, MAX_DETAILS, MAX_TEXT, Stretch, items_of
from pipelines.review.reasons import WEIGHTS, ReviewReason

NAME, NUMBER, UNHEARD = ReviewReason.NAME, ReviewReason.NUMBER, ReviewReason.UNHEARD


def finding(start_s, end_s=None, reason=NAME, doubt=0.5, channel=0, detail="") -> Finding:
    end_s = start_s + 1 if end_s is None else end_s
    return Finding(reason=reason, channel=channel, start_s=start_s, end_s=end_s, doubt=doubt, detail=detail)


def spans(*args, **kwargs):
    return [(item.channel, item.start_s, item.end_s) for item in items_of(*args, **kwargs)]


def test_findings_of_a_minute_are_one_item():
    """Those of another minute or channel are others; order does not matter."""
    found = [finding(70), finding(0), finding(30, channel=1), finding(58)]
    assert spans(found, ()) == [(0, 0, 59), (0, 70, 71), (1, 30, 31)]


def test_a_long_finding_is_cut():
    """Into equal parts of a minute at most."""
    assert spans([finding(0, 150, UNHEARD)], ()) == [(0, 0, 50), (0, 50, 100), (0, 100, 150)]


def test_the_score():
    """Each reason counts once by its weight, the more the more findings it has; never more than its weight."""

    def score(*found: Finding) -> float:
        (item,) = items_of(found, ())
        return item.score

    assert score(finding(0)) == pytest.approx(WEIGHTS[NAME] * 0.5)
    assert score(finding(0), finding(1)) == pytest.approx(WEIGHTS[NAME] * 0.75)
    assert score(finding(0), finding(0, reason=NUMBER)) == pytest.approx(0.5 * (WEIGHTS[NAME] + WEIGHTS[NUMBER]))


def test_reasons_come_by_their_part():
    """And details once each, as many as one reads; the text of all segments there is cut."""
    said = [Segment(id=i, channel=i, speaker="", start_s=0, end_s=60, text=f"{i}" * 600) for i in range(2)]
    details = [finding(i, detail=f"word {i // 2}") for i in range(2 * MAX_DETAILS + 2)]
    (item,) = items_of([*details, finding(3, reason=UNHEARD, doubt=1.0)], said)
    assert item.reasons == (UNHEARD, NAME)
    assert item.details == tuple(f"word {i}" for i in range(MAX_DETAILS))
    assert item.text == "0" * MAX_TEXT


def test_what_was_heard_is_settled():
    """A finding whose middle is in a stretch that somebody heard brings no item; on another channel it does."""
    heard = [Stretch(channel=0, start_s=0, end_s=10)]
    assert spans([finding(8), finding(9, 12), finding(8, channel=1)], (), heard) == [(0, 9, 12), (1, 8, 9)]


@given(
    st.lists(
        st.builds(
            lambda at, length, channel, reason, doubt: finding(at, at + length, reason, doubt, channel),
            st.floats(0, 500),
            st.floats(0, 200),
            st.integers(0, 1),
            st.sampled_from(list(ReviewReason)),
            st.floats(0, 1),
        ),
        max_size=30,
    )
)
def test_items_of_any_findings(found):
    """No item is longer than a minute, no score more than its reasons can weigh, and what was heard is settled."""
    items = items_of(found, ())
    assert bool(items) == bool(found)
    for item in items:
        assert item.end_s - item.start_s <= ITEM_S + 1e-6
        assert 0 <= item.score <= sum(WEIGHTS[reason] for reason in item.reasons) + 1e-3
    heard = [Stretch(channel=item.channel, start_s=item.start_s, end_s=item.end_s) for item in items]
    assert items_of(found, (), heard) == ()


def test_a_cursor():
    """It is read back by the list it is from only."""
    cursor = ReviewCursor(heard=False, place=0.30000000000000004, id="j1.0.5-9")
    assert ReviewCursor.parse(str(cursor), heard=False) == cursor
    for text, heard in ((str(cursor), True), ("", False), ("AAAA", False), ("é", False), ("MCBuYW4geA==", False)):
        with pytest.raises(InvalidRequest):
            ReviewCursor.parse(text, heard=heard)
