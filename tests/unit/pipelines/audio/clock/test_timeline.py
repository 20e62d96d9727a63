"""The clock: which steps of the time stamps are believed, and what the time between frames is."""

from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pipelines.audio.clock.timeline import MAX_BLIND_GAP_S, Gap, Piece, on_clock


def frame(stamp_s: float | None, *, troubled: bool = False, length_s: float = 1.0) -> Piece:
    """A frame that stands for itself by its stamp, as a text."""
    return Piece(length_s=length_s, stamp_s=stamp_s, frame=str(stamp_s), troubled=troubled)


def gaps(stamps_s: Sequence[float], **options: float | bool) -> list[tuple[float, float]]:
    """The gaps between frames of a second: after how many seconds of the clock, and how long."""
    found, clock_s = [], 0.0
    for item in on_clock([frame(stamp_s) for stamp_s in stamps_s], **options):
        if isinstance(item, Gap):
            found.append((clock_s, item.length_s))
        clock_s += item.length_s if isinstance(item, Gap) else 1.0
    return found


def losses(pieces: Sequence[Piece], *, has_pauses: bool = True) -> list[bool]:
    """Whether each gap is a loss."""
    return [item.lost for item in on_clock(pieces, has_pauses=has_pauses) if isinstance(item, Gap)]


def test_single_wrong_timestamp_is_not_believed() -> None:
    """One frame stamped a minute ahead of its neighbours opens no hole; a step its successors keep does."""
    assert gaps([0, 1, 62, 3, 4]) == []
    assert gaps([0, 1, 62, 63, 64]) == [(2, 60)]
    assert gaps([0, 1, 0, 1, 2]) == []
    assert gaps([0, 1, 0, 1, 5, 6]) == [(4, 3)]
    assert gaps([0, 1, 2, 0, 7, 8]) == [(4, 3)]
    assert gaps([7200, 7201, 7203, 7204]) == [(2, 1)]


def test_frames_that_come_now_and_then_keep_their_places() -> None:
    """Comfort noise every five seconds: each step is believed, and the last one although no frame follows."""
    assert gaps([0, 1, 6, 11, 16]) == [(2, 4), (7, 4), (12, 4)]


def test_long_steps_need_the_recordings_length() -> None:
    """A step of hours is believed where the header says that there are hours, and at the end not without it."""
    far = MAX_BLIND_GAP_S + 10
    assert gaps([0, 1, far, far + 1]) == []
    assert gaps([0, 1, far, far + 1], reach_s=far + 2) == [(2, far - 2)]
    assert gaps([0, 1, 90]) == []
    assert gaps([0, 1, 90], reach_s=91) == [(2, 88)]


def test_a_gap_after_errors_is_a_loss() -> None:
    """Errors make the next gap a loss, however long ago they were reported; without any it is a pause."""
    assert losses([frame(0), frame(5), frame(6)]) == [False]
    assert losses([frame(0), frame(5, troubled=True), frame(6)]) == [True]
    assert losses([frame(0), frame(5), frame(6), frame(10)]) == [False, False]
    assert losses([frame(0), Piece(length_s=0, troubled=True), frame(5), frame(6), frame(9), frame(10)]) == [
        True,
        False,
    ]
    slipped = frame(1.05, troubled=True)  # a twentieth of a second is missing, too little to be a gap yet
    assert losses([frame(0), slipped, frame(2.3), frame(3.3)]) == [True]
    assert losses([frame(0), frame(1, troubled=True), frame(2), frame(7), frame(8)]) == [False]


def test_where_there_are_no_pauses_every_gap_is_a_loss() -> None:
    """Ogg and FLAC write the time while nobody speaks: what is missing was there."""
    assert losses([frame(0), frame(5), frame(6)], has_pauses=False) == [True]


def test_time_without_frames_stays_what_it_is() -> None:
    """Pauses and losses in the stream are told in place, and stamps around them add nothing."""
    pieces = [frame(0), Piece(length_s=2, stamp_s=1), Piece(length_s=1, stamp_s=3, lost=True), frame(4), frame(5)]
    assert list(on_clock(pieces)) == ["0", Gap(length_s=2, lost=False), Gap(length_s=1, lost=True), "4", "5"]
    unstamped = [frame(None), Piece(length_s=2.5, lost=True), frame(None)]
    assert list(on_clock(unstamped)) == ["None", Gap(length_s=2.5, lost=True), "None"]


steps = st.lists(st.floats(min_value=-5.0, max_value=100.0), max_size=20)


@given(steps=steps, start_s=st.floats(min_value=-10, max_value=10_000))
def test_frames_stay_whole_and_in_order(steps: list[float], start_s: float) -> None:
    """Whatever the stamps: every frame comes once, in order, and no gap is negative or longer than may be."""
    pieces, stamp_s = [], start_s
    for number, step in enumerate(steps):
        pieces.append(Piece(length_s=1.0, stamp_s=stamp_s, frame=number))
        stamp_s += step
    found = list(on_clock(pieces, start_s=start_s))
    assert [item for item in found if not isinstance(item, Gap)] == list(range(len(steps)))
    assert all(0 < item.length_s <= MAX_BLIND_GAP_S for item in found if isinstance(item, Gap))
