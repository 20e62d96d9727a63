"""Passages of a transcript: every wanted segment in exactly one, of bounded size, stable under corrections."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Segment
from pipelines.minutes.provider.token_count import estimate_tokens
from pipelines.translation.packing import PassageLimits, halve, pack
from tests.support.llm_lab import said

TEXTS = st.lists(st.text(alphabet="ab 你", max_size=60), min_size=1, max_size=60)


@given(TEXTS, st.data(), st.integers(1, 12), st.integers(1, 60), st.integers(0, 4))
def test_each_wanted_segment_goes_once(
    texts: list[str], data: st.DataObject, max_segments: int, max_tokens: int, n_neighbours: int
) -> None:
    """In order, within the limits but for single large ones, with the neighbours that stand beside it."""
    segments = said(*texts).segments
    wanted = data.draw(st.frozensets(st.sampled_from([segment.id for segment in segments])))
    limits = PassageLimits(max_segments=max_segments, max_tokens=max_tokens, n_neighbours=n_neighbours)
    passages = pack(segments, wanted, limits)
    assert [segment.id for passage in passages for segment in passage.segments] == sorted(wanted)
    for passage in passages:
        assert 1 <= len(passage.segments) <= max_segments
        sizes = [estimate_tokens(segment.text) for segment in passage.segments]
        assert len(sizes) == 1 or sum(sizes) <= max_tokens
        first, last = passage.segments[0].id, passage.segments[-1].id
        assert passage.before == segments[max(0, first - n_neighbours) : first]
        assert passage.after == segments[last + 1 : last + 1 + n_neighbours]


@given(TEXTS, st.data())
def test_halves_are_smaller(texts: list[str], data: st.DataObject) -> None:
    """What is asked again is split in two, so that it comes to single segments."""
    segments = said(*texts).segments
    wanted = data.draw(st.frozensets(st.sampled_from([segment.id for segment in segments]), min_size=1))
    halves = halve(segments, wanted, PassageLimits())
    assert [segment.id for half in halves for segment in half.segments] == sorted(wanted)
    assert all(len(half.segments) <= (len(wanted) + 1) // 2 for half in halves)


def test_a_correction_leaves_other_passages_as_they_are() -> None:
    """A changed and a struck-out segment change their own passage, and those that show them as neighbours."""
    segments = said(*(f"Line number {n} of the meeting." for n in range(200))).segments
    limits = PassageLimits(max_segments=20)
    before = pack(segments, range(200), limits)

    def edited(segment: Segment) -> Segment:
        return replace(segment, text="Something longer than what was there before.") if segment.id == 70 else segment

    after = pack([edited(segment) for segment in segments if segment.id != 75], range(200), limits)
    assert len(before) == len(after) == 10
    assert [n for n in range(10) if before[n] != after[n]] == [3]
