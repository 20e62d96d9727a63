"""Measures a converted model and prints Markdown tables; every sentence is held out from training."""

from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from multiprocessing import get_context
from pathlib import Path
from random import Random
from statistics import median

import numpy as np
from faster_whisper.audio import decode_audio

from mini_model.augment import Mix, Samples, harm, noise
from mini_model.corpus import SAMPLES, Kind, held_out
from mini_model.hear import Listener, Way, word_error_rate
from mini_model.model import MAX_WINDOW_S, SAMPLE_RATE
from mini_model.word_times import LIBRARY_VOICES, timed_sentence
from pipelines.text.word_errors import words
from scripts.in_process import product_text
from scripts.speech.truth import TrueSegment, load_truth
from scripts.speech.voices import VOICES, speak

_SEED = 7
_FULL_SCALE = 32768
_PAUSE_S = (0.25, 1.0)
_RECORDINGS = {
    "en": ("meeting-3min.flac", "meeting-12min.mp3", "call-8khz-ulaw.wav", "short.mp3"),
    "zh": ("meeting-zh.flac",),
}
ONE_WINDOW: tuple[Way, ...] = ("padded", "untimed", "unpadded")
"""The ways to hear a single window."""


@dataclass(frozen=True, kw_only=True)
class Extent:
    """The extent of an evaluation: languages, voices, sentences a voice and kind, silent clips, timed sentences."""

    languages: Sequence[str] = ("en",)
    voices: Sequence[str] = tuple(VOICES)
    sentences: int = 12
    silent_clips: int = 200
    timed_sentences: int = 24


def evaluate(model: Path, extent: Extent, processes: int) -> str:
    """Return all tables as Markdown, computed by ``processes`` at once; the long ones come first."""
    spoken = (partial(by_voice, kind="meeting"), partial(by_voice, kind="open"), telephone)
    tables = [(table, language) for table in (*spoken, recordings) for language in extent.languages]
    tables += [(table, extent.languages[0]) for table in (without_speech, detection)]
    tables += [(word_times, "en")]
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as workers:
        texts = workers.map(partial(_table, model, extent), *zip(*tables, strict=True))
        return "\n\n".join(filter(None, texts))


def _table(model: Path, extent: Extent, table: Callable[[Listener, Extent], str], language: str) -> str:
    return table(Listener(model, language), extent)


def by_voice(listener: Listener, extent: Extent, kind: Kind) -> str:
    """Measure word error rates of single sentences (three ways) and of windows packed with several (two ways)."""
    singles: dict[Way, list[tuple[str, str]]] = {}
    packs: dict[Way, list[tuple[str, str]]] = {}
    rows = []
    for voice in _voices(listener, extent):
        spoken = [(text, _spoken(text, voice)) for text in _sentences(kind, voice, extent.sentences)]
        row_singles: dict[Way, list[tuple[str, str]]] = {
            way: [(text, listener.hear(sound, way)) for text, sound in spoken] for way in ONE_WINDOW
        }
        row_packs: dict[Way, list[tuple[str, str]]] = {
            way: [(text, listener.hear(sound, way)) for text, sound in pack(spoken, Random(_SEED))]
            for way in ONE_WINDOW
        }
        cells = [word_error_rate(pairs) for pairs in (*row_singles.values(), *row_packs.values())]
        rows.append(f"| {voice} | " + " | ".join(f"{cell:.1f}" for cell in cells) + " |")
        for total, part in ((singles, row_singles), (packs, row_packs)):
            for way, pairs in part.items():
                total.setdefault(way, []).extend(pairs)
    cells = [word_error_rate(pairs) for pairs in (*singles.values(), *packs.values())]
    rows.append("| **all** | " + " | ".join(f"**{cell:.1f}**" for cell in cells) + " |")
    head = (
        f"{_rate(listener)} in %, {kind} sentences, {extent.sentences} per voice\n\n"
        "| voice | one, padded to 30 s | one, no timestamps | one, unpadded "
        "| packed, padded | packed, no timestamps | packed, unpadded |\n"
        "|---|---|---|---|---|---|---|\n"
    )
    return head + "\n".join(rows)


def telephone(listener: Listener, extent: Extent) -> str:
    """Measure the error rate of meeting sentences over a µ-law telephone line."""
    line, rng = Mix(telephone=1, room=0), Random(_SEED)
    dice = np.random.default_rng(_SEED)
    pairs = []
    for voice in _voices(listener, extent):
        for text in _sentences("meeting", voice + " by telephone", max(2, extent.sentences // 2)):
            pairs.append((text, listener.hear(harm(_spoken(text, voice), line, rng, dice), "padded")))
    rate = f"{_rate(listener)} {word_error_rate(pairs):.1f} %"
    return f"Telephone band (8 kHz, µ-law), {len(pairs)} meeting sentences: {rate}"


def without_speech(listener: Listener, extent: Extent) -> str:
    """Measure the share of silent and noisy clips that are transcribed without any word."""
    n_clips = extent.silent_clips
    rng, dice = Random(_SEED), np.random.default_rng(_SEED)
    quiet = dict.fromkeys(ONE_WINDOW, 0)
    for number in range(n_clips):
        n_samples = round(rng.uniform(1, MAX_WINDOW_S) * SAMPLE_RATE)
        level = 0 if number % 10 == 0 else 10 ** rng.uniform(-4.5, -0.7)
        clip = noise(n_samples, rng, dice) * np.float32(level)
        for way in quiet:
            quiet[way] += not words(listener.hear(clip, way))
    cells = ", ".join(f"{way} {100 * count / n_clips:.1f} %" for way, count in quiet.items())
    return f"No words in {n_clips} clips of silence, noise and tones (1 to 30 s): {cells}"


def detection(listener: Listener, extent: Extent) -> str:
    """Measure the share of meeting sentences whose language is detected, where there are several."""
    if len(extent.languages) == 1:
        return ""
    cells = []
    for language in extent.languages:
        voices = [voice for voice in extent.voices if VOICES[voice].language == language]
        said = [(text, voice) for voice in voices for text in _sentences("meeting", voice, extent.sentences)]
        heard = [listener.whisper.detect_language(_spoken(text, voice))[0] for text, voice in said]
        cells.append(f"{language} {100 * heard.count(language) / len(heard):.1f} % of {len(heard)}")
    return f"Language heard in single meeting sentences: {', '.join(cells)}"


def recordings(listener: Listener, extent: Extent) -> str:
    """Compare plain faster-whisper and the product on the sample recordings with a complete truth."""
    head = (
        f"| recording | {_rate(listener)} %, faster-whisper sequential | batched | as it comes | MeetMemo "
        "| segment start off by, median s |\n|---|---|---|---|---|---|"
    )
    rows = []
    for name in _RECORDINGS[listener.language]:
        truth = load_truth(SAMPLES / f"{name.partition('.')[0]}.truth.json")
        samples = decoded(SAMPLES / name)
        segments = listener.segments(samples, "padded")
        heard = " ".join(segment.text for segment in segments)
        sequential = word_error_rate([(truth.text, heard)])
        batched, usual = (
            word_error_rate([(truth.text, listener.hear(samples, way))]) for way in ("batched", "default")
        )
        off = start_errors(truth.segments, [segment.start for segment in segments])
        product = word_error_rate([(truth.text, product_text(listener.model, SAMPLES / name, listener.language))])
        rows.append(f"| {name} | {sequential:.1f} | {batched:.1f} | {usual:.1f} | {product:.1f} | {median(off):.2f} |")
    return "\n".join((head, *rows))


def word_times(listener: Listener, extent: Extent) -> str:
    """Measure the distance of word starts from those that espeak-ng reports."""
    off = word_start_errors(listener, extent.timed_sentences)
    within_s = np.quantile(off, 0.9)
    return f"Word starts off by {median(off):.3f} s (median of {len(off)} words), 90 % within {within_s:.2f} s"


def word_start_errors(listener: Listener, n_sentences: int) -> list[float]:
    """Return the seconds between recognised and true starts of the words that were recognised correctly."""
    off = []
    rng = Random(_SEED)
    for text in rng.sample(held_out("meeting"), n_sentences):
        samples, starts_s = timed_sentence(text, rng.choice(LIBRARY_VOICES))
        segments = listener.segments(samples, "padded", word_timestamps=True)
        heard = [word for segment in segments for word in segment.words]
        if [words(word.word) for word in heard] == [[word] for word in words(text)] and len(heard) == len(starts_s):
            off += [abs(word.start - start_s) for word, start_s in zip(heard, starts_s, strict=True)]
    return off


def start_errors(truth: Sequence[TrueSegment], starts_s: Sequence[float]) -> list[float]:
    """Return the distance of every true sentence, in seconds, to the nearest start of a recognised segment."""
    return [min((abs(start_s - segment.start_s) for start_s in starts_s), default=30.0) for segment in truth]


def pack(spoken: Sequence[tuple[str, Samples]], rng: Random) -> list[tuple[str, Samples]]:
    """Pack sentences with pauses into windows of at most 30 s, with their joined text."""
    windows: list[tuple[str, Samples]] = []
    texts: list[str] = []
    sounds: list[Samples] = []
    length = 0
    for text, sound in spoken:
        pause = np.zeros(round(rng.uniform(*_PAUSE_S) * SAMPLE_RATE), np.float32)
        if texts and length + len(sound) + len(pause) > MAX_WINDOW_S * SAMPLE_RATE:
            windows.append((" ".join(texts), np.concatenate(sounds)))
            texts, sounds, length = [], [], 0
        texts.append(text)
        sounds += [pause, sound]
        length += len(sound) + len(pause)
    return [*windows, (" ".join(texts), np.concatenate(sounds))]


def decoded(path: Path) -> Samples:
    """Decode a recording to float32 mono at 16 kHz."""
    samples: Samples = decode_audio(str(path), sampling_rate=SAMPLE_RATE)
    return samples


@cache
def _spoken(text: str, voice: str) -> Samples:
    return (speak(text, voice) / _FULL_SCALE).astype(np.float32)


def _sentences(kind: Kind, voice: str, n: int) -> list[str]:
    return Random(f"{_SEED} {voice}").sample(held_out(kind, VOICES[voice.split(" ")[0]].language), n)


def _voices(listener: Listener, extent: Extent) -> list[str]:
    return [voice for voice in extent.voices if VOICES[voice].language == listener.language]


def _rate(listener: Listener) -> str:
    """Return the name of the error rate: in Chinese every character counts as a word."""
    return "CER" if listener.language == "zh" else "WER"
