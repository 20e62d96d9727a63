"""Sounds without a word in them, by kind: what offices, streets, bodies and telephone lines make.

Each of `KINDS` takes a number of samples and a generator of random numbers, and returns float64 ``[n_samples]`` of any
scale at `SAMPLE_RATE`; what it draws decides about pitch, tempo and colour.
"""

from collections.abc import Callable, Iterator

import numpy as np
import numpy.typing as npt

from scripts.speech.voices import SAMPLE_RATE

Sound = npt.NDArray[np.float64]
Rng = np.random.Generator

_DTMF_LOW_HZ = (697, 770, 852, 941)
_DTMF_HIGH_HZ = (1209, 1336, 1477, 1633)
_SCALE = 2 ** (np.array([0, 2, 4, 5, 7, 9, 11, 12]) / 12)


def _clock(n: int) -> Sound:
    return np.arange(n) / SAMPLE_RATE


def _shaped(n: int, rng: Rng, gain: Callable[[Sound], Sound]) -> Sound:
    """Filter white noise by a gain for each frequency in Hz."""
    spectrum = np.fft.rfft(rng.standard_normal(n))
    return np.fft.irfft(spectrum * gain(np.fft.rfftfreq(n, 1 / SAMPLE_RATE)), n)


def _band(n: int, rng: Rng, low_hz: float, high_hz: float) -> Sound:
    return _shaped(n, rng, lambda hertz: ((hertz >= low_hz) & (hertz <= high_hz)).astype(np.float64))


def _drift(n: int, rng: Rng, per_s: float) -> Sound:
    """Draw a slow random curve from 0 to 1 with so many turns a second."""
    points = rng.uniform(0, 1, max(2, round(n / SAMPLE_RATE * per_s) + 2))
    return np.interp(np.linspace(0, len(points) - 1, n), np.arange(len(points)), points)


def _events(n: int, rng: Rng, low_s: float, high_s: float) -> Iterator[int]:
    """Draw positions that are ``low_s`` to ``high_s`` apart."""
    at = int(rng.uniform(0, high_s) * SAMPLE_RATE)
    while at < n:
        yield at
        at += max(1, int(rng.uniform(low_s, high_s) * SAMPLE_RATE))


def _put(mix: Sound, at: int, sound: Sound) -> None:
    fitting = sound[: max(0, len(mix) - at)]
    mix[at : at + len(fitting)] += fitting


def _decaying(rng: Rng, hertz: float, decay_s: float) -> Sound:
    """Ring like something that was hit: a resonance and noise that die away."""
    t = _clock(int(5 * decay_s * SAMPLE_RATE) + 1)
    return np.exp(-t / decay_s) * (np.sin(2 * np.pi * hertz * t) + 0.7 * rng.standard_normal(len(t)))


def _switched(n: int, tone: Sound, on_s: float, off_s: float) -> Sound:
    return tone * ((_clock(n) % (on_s + off_s)) < on_s)


def _voiced(n: int, rng: Rng, hertz: Sound, formants_hz: tuple[float, ...]) -> Sound:
    """Sing without a word: overtones of a pitch that may move, as a throat and a mouth colour them."""
    phase = 2 * np.pi * np.cumsum(hertz) / SAMPLE_RATE
    mix = np.zeros(n)
    for overtone in range(1, 25):
        heights = sum(1 / (1 + ((overtone * hertz - formant) / 120) ** 2) for formant in formants_hz)
        mix += (heights + 0.02) * np.sin(overtone * phase + rng.uniform(0, 6)) * (overtone * hertz < 7000)
    return mix


def dither(n: int, rng: Rng) -> Sound:
    return rng.triangular(-1, 0, 1, n)


def room(n: int, rng: Rng) -> Sound:
    return _shaped(n, rng, lambda hertz: 1 / np.maximum(hertz, 30) ** rng.uniform(0.4, 0.9))


def fan(n: int, rng: Rng) -> Sound:
    blades_hz = rng.uniform(20, 90)
    blades = sum(np.sin(2 * np.pi * blades_hz * k * _clock(n)) / k for k in (1, 2, 3))
    return _shaped(n, rng, lambda hertz: 1 / (1 + (hertz / 700) ** 2)) * 30 + blades


def hum(n: int, rng: Rng) -> Sound:
    mains_hz = rng.choice([50, 60])
    return sum(np.sin(2 * np.pi * mains_hz * k * _clock(n) + k) / k ** rng.uniform(0.5, 1.5) for k in range(1, 12))


def wind(n: int, rng: Rng) -> Sound:
    return _shaped(n, rng, lambda hertz: 1 / (1 + (hertz / 250) ** 2)) * (0.1 + _drift(n, rng, 0.8) ** 2)


def traffic(n: int, rng: Rng) -> Sound:
    mix = _shaped(n, rng, lambda hertz: 1 / np.maximum(hertz, 40)) * 20
    for at in _events(n, rng, 2, 9):
        passing = np.hanning(int(rng.uniform(2, 5) * SAMPLE_RATE))
        _put(mix, at, passing * _band(len(passing), rng, 60, rng.uniform(500, 2000)))
    return mix


def rain(n: int, rng: Rng) -> Sound:
    mix = _band(n, rng, 800, 7500) * 0.3
    for at in _events(n, rng, 0.01, 0.15):
        _put(mix, at, _decaying(rng, rng.uniform(800, 3000), 0.004))
    return mix


def keyboard(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    for at in _events(n, rng, 0.07, rng.uniform(0.25, 0.6)):
        _put(mix, at, rng.uniform(0.4, 1) * _decaying(rng, rng.uniform(1500, 4000), 0.008))
        _put(mix, at + int(0.08 * SAMPLE_RATE), 0.3 * _decaying(rng, rng.uniform(1000, 3000), 0.006))
    return mix


def clicks(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    for at in _events(n, rng, 0.02, rng.uniform(0.2, 2)):
        _put(mix, at, rng.choice([-1, 1]) * np.exp(-np.arange(20) / rng.uniform(1, 6)))
    return mix


def knocks(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    for at in _events(n, rng, 0.3, 1.2):
        _put(mix, at, _decaying(rng, rng.uniform(80, 300), 0.05))
    return mix


def paper(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    for at in _events(n, rng, 0.3, 2.5):
        length = int(rng.uniform(0.15, 0.8) * SAMPLE_RATE)
        _put(mix, at, _band(length, rng, 1000, 7800) * np.hanning(length) * _drift(length, rng, 30))
    return mix


def breath(n: int, rng: Rng) -> Sound:
    cycle_s = rng.uniform(2.2, 4.5)
    swell = np.maximum(0, np.sin(2 * np.pi * _clock(n) / cycle_s)) ** 1.5
    return _shaped(n, rng, lambda hertz: np.exp(-(((hertz - 1200) / 1200) ** 2))) * swell


def cough(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    for at in _events(n, rng, 0.4, 5):
        t = _clock(int(rng.uniform(0.2, 0.4) * SAMPLE_RATE))
        burst = _shaped(len(t), rng, lambda hertz: np.exp(-(((hertz - 900) / 900) ** 2)))
        _put(mix, at, burst * np.minimum(1, t / 0.01) * np.exp(-t / 0.09))
    return mix


def laughter(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    for start in _events(n, rng, 1.5, 6):
        pitch_hz = rng.uniform(150, 380)
        for burst in range(int(rng.integers(3, 9))):
            length = int(rng.uniform(0.08, 0.14) * SAMPLE_RATE)
            falling = np.full(length, pitch_hz * 0.97**burst) * np.linspace(1.1, 0.9, length)
            voice = _voiced(length, rng, falling, (750, 1250, 2600)) + 0.3 * rng.standard_normal(length)
            _put(mix, start + int(burst * rng.uniform(0.18, 0.24) * SAMPLE_RATE), voice * np.hanning(length))
    return mix


def humming(n: int, rng: Rng) -> Sound:
    notes = rng.choice(_SCALE, max(2, n // (SAMPLE_RATE // 2) + 1)) * rng.uniform(110, 220)
    melody = np.repeat(notes, SAMPLE_RATE // 2)[:n]
    melody = np.pad(melody, (0, n - len(melody)), mode="edge")
    vibrato = 1 + 0.01 * np.sin(2 * np.pi * 5 * _clock(n))
    return _voiced(n, rng, melody * vibrato, (280, 1100)) * (0.4 + 0.6 * _drift(n, rng, 1))


def barking(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    for at in _events(n, rng, 0.35, 3):
        length = int(rng.uniform(0.12, 0.25) * SAMPLE_RATE)
        pitch = np.linspace(rng.uniform(300, 500), rng.uniform(180, 280), length)
        _put(mix, at, (_voiced(length, rng, pitch, (700, 1500)) + rng.standard_normal(length)) * np.hanning(length))
    return mix


def applause(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    for _ in range(int(rng.integers(5, 25))):
        for at in _events(n, rng, 0.18, 0.4):
            _put(mix, at, _decaying(rng, rng.uniform(800, 2200), 0.006))
    return mix


def hold_music(n: int, rng: Rng) -> Sound:
    """Plucked chords and a melody over them."""
    t = _clock(n)
    mix = np.zeros(n)
    beat_s = rng.uniform(0.3, 0.7)
    for beat in range(int(n / SAMPLE_RATE / beat_s) + 1):
        since = t - beat * beat_s
        playing = (since >= 0) & (since < 4 * beat_s)
        root_hz = rng.choice(_SCALE) * 110
        pitches = [rng.choice(_SCALE) * 440] + ([root_hz, root_hz * 1.25, root_hz * 1.5] if beat % 4 == 0 else [])
        for pitch_hz in pitches:
            note = sum(np.sin(2 * np.pi * pitch_hz * k * since[playing]) / k**2 for k in (1, 2, 3, 4))
            mix[playing] += note * np.exp(-3 * since[playing]) * np.minimum(1, since[playing] / 0.008)
    return mix


def strings(n: int, rng: Rng) -> Sound:
    """Bowed chords that swell."""
    mix = np.zeros(n)
    for voice in range(4):
        notes = np.repeat(rng.choice(_SCALE, n // (2 * SAMPLE_RATE) + 1), 2 * SAMPLE_RATE)[:n] * 110 * (1 + voice)
        phase = 2 * np.pi * np.cumsum(notes * (1 + 0.004 * np.sin(2 * np.pi * 5.5 * _clock(n)))) / SAMPLE_RATE
        mix += sum(np.sin(k * phase) / k for k in range(1, 7))
    return mix * (0.3 + 0.7 * _drift(n, rng, 0.7))


def drums(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    step = int(rng.uniform(0.15, 0.3) * SAMPLE_RATE)
    for number, at in enumerate(range(0, n, step)):
        _put(mix, at, 0.3 * _decaying(rng, 6000, 0.02))
        if number % 4 == 0:
            _put(mix, at, 2 * _decaying(rng, 60, 0.1))
        if number % 4 == 2:
            _put(mix, at, _decaying(rng, 200, 0.06))
    return mix


def tone(n: int, rng: Rng) -> Sound:
    return np.sin(2 * np.pi * rng.uniform(100, 3300) * _clock(n))


def sweep(n: int, rng: Rng) -> Sound:
    """Wail like a siren."""
    pitch = 900 + 400 * np.sin(2 * np.pi * _clock(n) / rng.uniform(0.5, 5))
    return np.sin(2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE)


def ringing(n: int, rng: Rng) -> Sound:
    """Ring as an exchange does, in America or in Europe."""
    t = _clock(n)
    if rng.random() < 0.5:
        return _switched(n, np.sin(2 * np.pi * 440 * t) + np.sin(2 * np.pi * 480 * t), 2, 4)
    return _switched(n, np.sin(2 * np.pi * 425 * t), 1, 4)


def busy(n: int, rng: Rng) -> Sound:
    t = _clock(n)
    if rng.random() < 0.5:
        return _switched(n, np.sin(2 * np.pi * 480 * t) + np.sin(2 * np.pi * 620 * t), 0.5, 0.5)
    return _switched(n, np.sin(2 * np.pi * 425 * t), rng.choice([0.24, 0.48]), rng.choice([0.24, 0.48]))


def dtmf(n: int, rng: Rng) -> Sound:
    mix = np.zeros(n)
    for at in _events(n, rng, 0.15, 1.2):
        t = _clock(int(rng.uniform(0.08, 0.3) * SAMPLE_RATE))
        _put(mix, at, sum(np.sin(2 * np.pi * rng.choice(side) * t) for side in (_DTMF_LOW_HZ, _DTMF_HIGH_HZ)))
    return mix


def modem(n: int, rng: Rng) -> Sound:
    """Send a fax: a tone that jumps between two pitches with every bit."""
    bits = np.repeat(rng.integers(0, 2, n // 53 + 1), 53)[:n]
    return np.sin(2 * np.pi * np.cumsum(np.where(bits, 1650, 1850)) / SAMPLE_RATE)


def crackle(n: int, rng: Rng) -> Sound:
    """Hiss and crackle like a bad line."""
    crackles = rng.standard_normal(n) * (rng.random(n) < 0.002) * 8
    return rng.standard_normal(n) * (0.2 + _drift(n, rng, 3)) + crackles


KINDS: dict[str, Callable[[int, Rng], Sound]] = {
    maker.__name__.replace("_", " "): maker
    for maker in (
        *(dither, room, fan, hum, wind, traffic, rain, keyboard, clicks, knocks, paper, breath, cough, laughter),
        *(humming, barking, applause, hold_music, strings, drums, tone, sweep, ringing, busy, dtmf, modem, crackle),
    )
}
