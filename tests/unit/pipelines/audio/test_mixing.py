"""Mixing channels to one: the plain sum where it does, another mix where it would lose what was said."""

import io
import wave

import av
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.audio.decode import decode_audio
from pipelines.audio.mixing import LOST_DB, RETURN_S, SILENCE_DBFS, WINDOW_S, Mixer, mix_excerpt, plain_weights
from pipelines.audio.sound import SoundReport
from pipelines.core import SAMPLE_RATE

WINDOW = round(WINDOW_S * SAMPLE_RATE)
STEREO = ("FL", "FR")
SURROUND = ("FL", "FR", "FC", "LFE", "SL", "SR")


def noise(seconds, seed=0, level_db=-20.0):
    """Noise like speech in level, int16 ``[n_samples]``."""
    random = np.random.default_rng(seed)
    return (random.standard_normal(round(seconds * SAMPLE_RATE)) * 32_767 * 10 ** (level_db / 20)).clip(-32_768, 32_767)


def stack(*channels):
    return np.stack(channels).astype(np.int16)


def level_db(samples):
    """Level of the last axis in dBFS."""
    power = np.square(samples.astype(np.float64)).mean(axis=-1)
    return 10 * np.log10(np.maximum(power, 1e-9) / 32_767**2)


def mixed(channels, names=STEREO):
    """Mix in calls of half a second; return the mix and the stretches."""
    position = 0
    mixer = Mixer(clock=lambda: position)
    mixer.set_channels(names)
    parts = []
    for position in range(0, channels.shape[1], SAMPLE_RATE // 2):
        parts.append(mixer.mix(channels[:, position : position + SAMPLE_RATE // 2]))
    return np.concatenate(parts, axis=1)[0], mixer.stretches


def losses_db(channels, mix):
    """How far each window of a mix lies below its loudest channel, where there is sound."""
    n = len(mix) // WINDOW
    loudest = level_db(channels[:, : n * WINDOW].reshape(len(channels), n, WINDOW)).max(axis=0)
    found = loudest - level_db(mix[: n * WINDOW].reshape(n, WINDOW))
    return found[loudest > SILENCE_DBFS]


@settings(deadline=None, max_examples=60)
@given(
    correlation=st.floats(-1.0, 1.0),
    left_db=st.floats(-55.0, -8.0),
    right_db=st.floats(-90.0, -8.0),
    seed=st.integers(0, 1000),
)
def test_no_pair_of_channels_is_lost(correlation, left_db, right_db, seed):
    """Whatever the correlation and the levels: the mix never lies more than 20 dB below the louder channel."""
    left, other = noise(3.0, seed), noise(3.0, seed + 10_000)
    right = correlation * left + np.sqrt(1 - correlation**2) * other
    pair = stack(left * 10 ** ((left_db + 20) / 20), right * 10 ** ((right_db + 20) / 20))
    mix, _ = mixed(pair)
    assert losses_db(pair, mix).max() <= LOST_DB + 0.5


@settings(deadline=None, max_examples=40)
@given(
    names=st.sampled_from([SURROUND, ("FL", "FR", "BL", "BR"), ("NONE",) * 16, ("FL", "FR", "LFE")]),
    data=st.data(),
)
def test_no_channel_of_any_layout_is_lost_when_it_speaks(names, data):
    """Each channel is noise of its own, another one turned round, or silent: the loudest is always heard."""
    channels = []
    for i in range(len(names)):
        kind = data.draw(st.sampled_from(["own", "opposite", "silent"]))
        own = noise(2.0, seed=i)
        channels.append(-channels[-1] if kind == "opposite" and channels else own * (kind == "own"))
    mix, _ = mixed(stack(*channels), names)
    found = losses_db(stack(*channels), mix)
    assert found.size == 0 or found.max() <= LOST_DB + 0.5


VOICE = noise(4.0)


@pytest.mark.parametrize(
    ("channels", "names", "below_db"),
    [
        (stack(VOICE, -VOICE), STEREO, 0.5),
        (stack(VOICE, -0.99 * VOICE), STEREO, 0.5),
        (stack(VOICE, -0.9 * VOICE), STEREO, 0.5),
        (stack(VOICE, -VOICE, VOICE, -VOICE), ("FL", "FR", "BL", "BR"), 0.5),
        (stack(VOICE, -VOICE, *np.zeros((4, VOICE.size))), SURROUND, 0.5),
        (stack(*np.zeros((3, VOICE.size)), VOICE, *np.zeros((2, VOICE.size))), SURROUND, 0.5),
        (stack(VOICE, *np.zeros((15, VOICE.size))), ("NONE",) * 16, 0.5),
    ],
    ids=["opposite", "nearly opposite", "opposite and fainter", "quad", "5.1", "only LFE", "one of 16"],
)
def test_what_a_plain_sum_would_lose_is_heard_and_told(channels, names, below_db):
    """The mix is as loud as a channel, from the first window on; the stretch and its depth are known."""
    mix, stretches = mixed(channels, names)
    assert losses_db(channels, mix)[1:].max() <= below_db
    (stretch,) = stretches
    assert (stretch.start_s, stretch.end_s) == (0.0, pytest.approx(4.0))
    assert LOST_DB < stretch.below_db <= 99.0


@pytest.mark.parametrize(
    "channels",
    [
        stack(VOICE, VOICE),
        stack(VOICE, noise(4.0, seed=1)),
        stack(VOICE, np.zeros(VOICE.size)),
        stack(VOICE, -0.5 * VOICE),
        stack(0.001 * VOICE, -0.001 * VOICE),
    ],
    ids=["same", "unrelated", "one silent", "half opposite", "opposite but faint"],
)
def test_what_a_plain_sum_keeps_is_summed(channels):
    """Ordinary recordings are mixed as ever."""
    mix, stretches = mixed(channels)
    assert stretches == ()
    np.testing.assert_array_equal(mix, np.rint(channels.mean(axis=0)))


def test_speakers_in_and_out_of_phase_are_both_heard():
    """One speaker is the same in both channels, the other the opposite: each turn is heard, in one stretch."""
    turns = [noise(1.0, seed) for seed in range(6)]
    channels = np.concatenate([stack(turn, turn if i % 2 else -turn) for i, turn in enumerate(turns)], axis=1)
    mix, stretches = mixed(channels)
    assert losses_db(channels, mix).max() <= LOST_DB
    assert len(stretches) == 1


def test_the_plain_sum_comes_back_after_a_while():
    """Not at the next word, but when it would have done for half a minute: once."""
    opposite, same = noise(2.0), noise(RETURN_S + 5, seed=1)
    channels = np.concatenate([stack(opposite, -opposite), stack(same, same)], axis=1)
    mix, (stretch,) = mixed(channels)
    assert stretch.end_s == pytest.approx(2.0 + RETURN_S, abs=2 * WINDOW_S)
    assert losses_db(channels, mix).max() <= LOST_DB


def test_a_change_of_the_mix_does_not_click():
    """From one window to the next the weights change gradually."""
    times = np.arange(4 * SAMPLE_RATE) / SAMPLE_RATE
    tone = 8000 * np.sin(2 * np.pi * 100 * times)
    mix, stretches = mixed(stack(tone, np.where(times < 2, tone, -tone)))
    assert stretches
    assert np.abs(np.diff(mix)).max() < 1.5 * np.abs(np.diff(tone)).max()


@pytest.mark.parametrize(
    "name", ["stereo", "2.1", "3.0", "4.0", "quad", "5.0", "5.1", "5.1(side)", "6.1", "7.1", "downmix"]
)
def test_the_plain_sum_is_that_of_ffmpeg(name):
    """Where nothing is lost a recording sounds as players mix it."""
    layout = av.AudioLayout(name)
    found = []
    for i in range(layout.nb_channels):
        channels = np.zeros((layout.nb_channels, 1600), np.int16)
        channels[i] = 16_000
        packed = np.ascontiguousarray(channels.T).reshape(1, -1)
        frame = av.AudioFrame.from_ndarray(packed, format="s16", layout=name)
        frame.sample_rate = SAMPLE_RATE
        mono = av.AudioResampler(format="s16", layout="mono", rate=SAMPLE_RATE)
        found.append(float(np.mean([out.to_ndarray().mean() for out in mono.resample(frame)])) / 16_000)
    assert plain_weights([channel.name for channel in layout.channels]) == pytest.approx(found, abs=1e-3)


def test_an_excerpt_is_mixed_like_a_recording():
    """Channels of opposite phase do not cancel; one channel stays as it is."""
    assert level_db(mix_excerpt(stack(VOICE, -VOICE))[0]) == pytest.approx(level_db(VOICE), abs=0.5)
    np.testing.assert_array_equal(mix_excerpt(stack(VOICE)), stack(VOICE))


def wav(channels):
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(len(channels))
        out.setsampwidth(2)
        out.setframerate(SAMPLE_RATE)
        out.writeframes(np.ascontiguousarray(channels.T).tobytes())
    file.seek(0)
    return file


def test_a_recording_with_opposite_channels_is_heard():
    """From the file to the mix; the report says where, on the recording's clock."""
    before = np.zeros((2, 2 * SAMPLE_RATE))
    report = SoundReport()
    channels = np.concatenate([before, stack(VOICE, -VOICE)], axis=1).astype(np.int16)
    mix = np.concatenate(list(decode_audio(wav(channels), max_duration_s=60.0, report=report)), axis=1)
    assert mix.shape == (1, 6 * SAMPLE_RATE)
    assert level_db(mix[0, 2 * SAMPLE_RATE :]) == pytest.approx(level_db(VOICE), abs=1.0)
    ((stretch,),) = report.sound.remixes.values()
    assert stretch.start_s == pytest.approx(2.0, abs=2 * WINDOW_S)
    assert stretch.end_s == pytest.approx(6.0, abs=0.01)
