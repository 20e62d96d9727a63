"""The checked-in sample recordings are what their truths and expectations say. Needs no speech program."""

from functools import cache
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from pipelines.audio.decode import decode_audio
from pipelines.core import SAMPLE_RATE
from pipelines.errors import InputError
from tests.support.recordings import RECORDINGS, expectations, normalize, truth, word_error_rate

EXPECTATIONS = expectations()
USABLE = sorted(name for name, expected in EXPECTATIONS.items() if expected.outcome == "succeeds")
DAMAGED = ("truncated.flac", "truncated.m4a", "corrupt-middle.flac", "corrupt-middle.mp3")
SPOKEN = sorted(name for name in USABLE if EXPECTATIONS[name].speech)
INTACT = sorted(set(SPOKEN) - set(DAMAGED))
MAX_BYTES = 12_000_000

# Quiet is the noise of the room, codecs add to it; speech is never below this RMS (int16 steps) for a whole sentence.
SPEECH_RMS = 900
SOUND_RMS = 60
FRAME = SAMPLE_RATE // 200


@cache
def decoded(name: str) -> NDArray[np.float64]:
    """Samples of shape ``(channels, n)`` at 16 kHz."""
    blocks = list(decode_audio(RECORDINGS / name, channels="split", max_duration_s=3600))
    return np.concatenate(blocks, axis=1).astype(np.float64)


def rms(samples: NDArray[np.float64]) -> float:
    return float(np.sqrt((samples**2).mean()))


def test_every_file_is_expected_and_described() -> None:
    """Files, the table of expectations and the README name the same recordings, and truths belong to recordings."""
    files = {path.name for path in RECORDINGS.iterdir()} - {"expectations.json", "README.md"}
    truths = {name for name in files if name.endswith(".truth.json")}
    readme = (RECORDINGS / "README.md").read_text(encoding="utf-8")
    assert files - truths == set(EXPECTATIONS)
    assert {name.split(".")[0] for name in SPOKEN} == {name.removesuffix(".truth.json") for name in truths}
    assert [name for name in EXPECTATIONS if f"`{name}`" not in readme] == []


def test_samples_stay_small() -> None:
    """All sample recordings together fit into a clone without hurting."""
    assert sum(path.stat().st_size for path in RECORDINGS.iterdir()) < MAX_BYTES


@pytest.mark.parametrize("name", SPOKEN)
def test_truth_is_consistent(name: str) -> None:
    """Sentences are in order, inside the recording, and never overlap on one channel; minutes quote sentences."""
    said = truth(name)
    assert said.segments
    assert list(said.segments) == sorted(said.segments, key=lambda segment: segment.start_s)
    for channel in range(said.channels):
        mine = [segment for segment in said.segments if segment.channel == channel]
        assert all(before.end_s <= after.start_s for before, after in pairwise(mine))
    assert all(0 <= segment.start_s < segment.end_s for segment in said.segments)
    if name not in DAMAGED:
        assert said.segments[-1].end_s <= said.duration_s
    quotes = (*said.decisions, *said.open_questions, *(action.task for action in said.action_items))
    assert all(quote in said.text for quote in quotes)


@pytest.mark.parametrize("name", INTACT)
def test_duration_and_channels_are_true(name: str) -> None:
    """A recording decodes to the channels and, within one frame of AAC, to the seconds that its truth states."""
    samples = decoded(name)
    assert samples.shape[0] == truth(name).channels
    assert samples.shape[1] / SAMPLE_RATE == pytest.approx(truth(name).duration_s, abs=0.065)


@pytest.mark.parametrize("name", DAMAGED)
def test_damage_leaves_what_truth_promises(name: str) -> None:
    """Of a damaged recording at least the seconds that its truth states can be decoded, and not all."""
    seconds = decoded(name).shape[1] / SAMPLE_RATE
    assert truth(name).duration_s <= seconds < truth("call-8khz-ulaw.wav").duration_s + 0.065
    before = [segment for segment in truth(name).segments if segment.end_s < 0.45 * seconds]
    assert before
    assert all(
        rms(decoded(name)[0, round(part.start_s * SAMPLE_RATE) : round(part.end_s * SAMPLE_RATE)]) > SPEECH_RMS
        for part in before
    )


@pytest.mark.parametrize("name", INTACT)
def test_speech_is_where_truth_says(name: str) -> None:
    """Every sentence sounds from its start to its end, and between sentences there is only the room."""
    samples, said = decoded(name), truth(name)
    quiet = np.ones(samples.shape, dtype=bool)
    for segment in said.segments:
        start, end = round(segment.start_s * SAMPLE_RATE), round(segment.end_s * SAMPLE_RATE)
        quiet[segment.channel, start:end] = False
        assert rms(samples[segment.channel, start:end]) > SPEECH_RMS, segment.text
        around = samples[segment.channel, max(0, start - 20 * FRAME) : end + 20 * FRAME]
        level = np.sqrt((around[: len(around) // FRAME * FRAME].reshape(-1, FRAME) ** 2).mean(axis=1))
        sounds = np.flatnonzero(level > SOUND_RMS)
        first_s, last_s = (
            sounds[0] * FRAME / SAMPLE_RATE - 0.1,
            (sounds[-1] + 1 - len(level)) * FRAME / SAMPLE_RATE + 0.1,
        )
        assert -0.01 <= first_s <= 0.09, segment.text
        assert -0.15 <= last_s <= 0.1, segment.text
    assert rms(samples[quiet]) < SOUND_RMS / 2


@pytest.mark.parametrize("name", sorted(EXPECTATIONS))
def test_every_file_has_its_outcome(name: str) -> None:
    """A file decodes or is refused with the reason that the table of expectations gives."""
    try:
        outcome = "succeeds" if decoded(name).shape[1] else "nothing"
    except InputError as error:
        outcome = error.reason
    assert outcome == EXPECTATIONS[name].outcome


def test_meeting_is_worth_minutes() -> None:
    """The short meeting has four voices, three topics, decisions, owned and dated tasks, open questions."""
    said = truth("meeting-3min.flac")
    assert {segment.voice for segment in said.segments} == {"slt", "rms", "awb", "en-us"}
    assert [topic.title for topic in said.topics] == ["the mobile app", "the call center", "the budget plan"]
    assert len(said.decisions) == 4
    assert len(said.open_questions) == 2
    assert {action.owner for action in said.action_items} == {"David", "Victor", "Thomas"}
    assert {action.due for action in said.action_items} == {"Monday", "Wednesday", "Thursday", "Friday", None}


def test_long_meeting_changes_topics_and_voices() -> None:
    """The long meeting has five voices, takes about 12 minutes and does not repeat a topic."""
    said = truth("meeting-12min.mp3")
    titles = [topic.title for topic in said.topics]
    assert len({segment.voice for segment in said.segments}) == 5
    assert said.duration_s == pytest.approx(12 * 60, abs=40)
    assert len(titles) == len(set(titles)) >= 15
    assert len(said.decisions) == len(titles)


def test_callers_talk_over_each_other() -> None:
    """In the call each channel has one speaker, and for several seconds both speak at once."""
    said = truth("call-stereo.opus")
    assert {(segment.channel, segment.speaker) for segment in said.segments} == {(0, "Karen"), (1, "Martin")}
    agent, customer = ([part for part in said.segments if part.channel == channel] for channel in (0, 1))
    overlaps = [min(a.end_s, b.end_s) - max(a.start_s, b.start_s) for a in agent for b in customer]
    assert sum(overlap for overlap in overlaps if overlap > 0) > 5
    assert said.channel_text(0).startswith("Good afternoon and welcome. Hello, this is Karen")


@pytest.mark.parametrize(
    ("reference", "hypothesis", "errors"),
    [
        ("Let's meet at ten o'clock.", "let\N{RIGHT SINGLE QUOTATION MARK}s meet, at TEN o'clock", 0),
        ("Twenty-one tickets", "twenty one tickets!", 0),
        ("We sign the lease.", "We sign a lease.", 1 / 4),
        ("We sign the lease.", "", 1),
        ("Yes", "no no no", 3),
    ],
)
def test_word_error_rate(reference: str, hypothesis: str, errors: float) -> None:
    """Case and punctuation cost nothing; every wrong, missing or extra word counts."""
    assert word_error_rate(reference, hypothesis) == pytest.approx(errors)


def test_word_error_rate_needs_words() -> None:
    """Comparing with nothing is a mistake of the test, not a rate."""
    with pytest.raises(ValueError, match="no words"):
        word_error_rate("...", "hello")
    assert normalize("  Hi,  Bob - bye ") == "hi bob bye"
