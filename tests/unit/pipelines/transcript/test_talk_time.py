"""Talk time, silence and interruptions, on conversations written by hand and on any others."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import Coverage, CoverageStatus, ModelInfo, Segment, Transcript
from pipelines.transcript.talk_time import silence_s, talk_of

SPEAKERS = ("Agent", "Customer")


def transcript(*segments, n_channels=2, duration_s=60.0):
    return Transcript(
        duration_s=duration_s,
        language="en",
        languages=(),
        segments=tuple(
            Segment(
                id=i, channel=channel, speaker=("Agent", "Customer")[channel % 2], start_s=start, end_s=end, text="x"
            )
            for i, (channel, start, end) in enumerate(sorted(segments, key=lambda item: item[1]))
        ),
        coverage=(),
        model=ModelInfo(name="m"),
        n_channels=n_channels,
    )


def test_a_conversation():
    """The customer breaks in once; breaths within a sentence are talk."""
    agent, customer = talk_of(transcript((0, 0, 10), (0, 10.3, 20), (1, 15, 25), (0, 30, 31)))
    assert (agent.speaker, customer.speaker) == ("Agent", "Customer")
    assert (agent.talk_s, customer.talk_s) == (pytest.approx(21), pytest.approx(10))
    assert (agent.overlap_s, customer.overlap_s) == (pytest.approx(5), pytest.approx(5))
    assert (agent.interruptions, customer.interruptions) == (0, 1)
    assert agent.longest_s == pytest.approx(20)
    assert agent.silence_s == pytest.approx(39)
    assert customer.share == pytest.approx(10 / 31)


def test_taking_turns_is_no_interruption():
    """Who begins just before the other ends, or together with the other, interrupts nobody."""
    first, second = talk_of(transcript((0, 0, 10), (1, 9.8, 15), (0, 20, 22), (1, 20.1, 23)))
    assert (first.interruptions, second.interruptions) == (0, 0)


def test_voices_of_one_channel():
    """Each has talk of its own; a channel on which nobody was told apart has one speaker, as a silent one has."""
    both = transcript((0, 0, 4), (0, 4.1, 5), (0, 5.2, 9), (0, 20, 21), (1, 30, 34), n_channels=3)
    names = ("Speaker 1", "Speaker 1", "Speaker 2", "Speaker 1", "Customer")
    named = zip(both.segments, names, strict=True)
    both = replace(both, segments=tuple(replace(segment, speaker=name) for segment, name in named))
    first, second, customer, silent = talk_of(both)
    assert [(who.channel, who.speaker) for who in (first, second, customer, silent)] == [
        (0, "Speaker 1"),
        (0, "Speaker 2"),
        (1, "Customer"),
        (2, ""),
    ]
    assert [who.talk_s for who in (first, second, customer)] == pytest.approx([6.0, 3.8, 4.0])
    assert (first.longest_s, second.longest_s) == pytest.approx((5.0, 3.8))
    assert first.overlap_s == second.overlap_s == first.interruptions == 0
    assert sum(who.share for who in (first, second, customer, silent)) == pytest.approx(1)


def test_a_pause_in_which_another_speaks_is_no_talk():
    """However short what the other says is."""
    three = transcript((0, 0, 2), (0, 2.1, 2.3), (0, 2.4, 4), n_channels=1)
    named = zip(three.segments, ("Ann", "Bob", "Ann"), strict=True)
    ann, bob = talk_of(replace(three, segments=tuple(replace(segment, speaker=who) for segment, who in named)))
    assert (ann.talk_s, bob.talk_s, ann.overlap_s) == (pytest.approx(3.6), pytest.approx(0.2), 0)


def test_nobody_talks():
    """Silence has no shares, and channels all the same."""
    (first, second) = talk_of(transcript())
    assert (first.talk_s, first.share, second.silence_s) == (0, 0, 60)
    assert silence_s(transcript()) == 60


def test_what_was_lost_is_no_silence():
    """Failed seconds of a channel are not its silence, and nobody's of the recording."""
    lost = Coverage(channel=1, start_s=20, end_s=30, health=CoverageStatus.FAILED)
    whole = replace(transcript((0, 0, 10), (1, 15, 25)), coverage=(lost,))
    first, second = talk_of(whole)
    assert (first.silence_s, second.silence_s) == (50, 45)
    assert silence_s(whole) == 60 - 10 - 15


@given(
    st.lists(
        st.tuples(st.integers(0, 3), st.floats(0, 50), st.floats(0, 10)).map(lambda s: (s[0], s[1], s[1] + s[2])),
        max_size=20,
    )
)
def test_times_add_up(segments):
    """Talk and silence of a channel are the recording; nobody overlaps longer than talking; shares are a whole."""
    found = transcript(*segments, n_channels=4)
    channels = talk_of(found)
    assert len(channels) == 4
    for channel in channels:
        assert channel.talk_s + channel.silence_s == pytest.approx(60)
        assert 0 <= channel.overlap_s <= channel.talk_s + 1e-6
        assert channel.longest_s <= channel.talk_s + 1e-6
    talk_s = sum(channel.talk_s for channel in channels)
    assert sum(channel.share for channel in channels) == pytest.approx(1 if talk_s else 0)
    assert 60 - talk_s - 1e-6 <= silence_s(found) <= 60
