"""Languages: recognised in recordings of one language, however they are spoiled, and where they change within one."""

import argparse
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from faster_whisper import WhisperModel

from pipelines.audio.decode import decode_audio
from pipelines.core import SAMPLE_RATE, Segment
from pipelines.whisper.engine import EngineOptions
from pipelines.whisper.options import DecodeOptions
from scripts.accuracy.noises import fan, ringing, room, strings
from scripts.accuracy.record import Measurement
from scripts.documentation.tables import table
from scripts.hearing.alignment import align, words_of
from scripts.hearing.cli import Ask
from scripts.hearing.corpus import Recording, load_corpus
from scripts.in_process import Product
from scripts.speech.sounds import telephone_band

Sound = npt.NDArray[np.int16]
PAUSE_S = 0.6
SHORT_S = 2.0
LONGEST_S = 60.0


@dataclass(frozen=True, kw_only=True)
class Clip:
    """Speech in one language, int16 mono at 16 kHz, and its words."""

    name: str
    language: str
    text: str
    pcm: Sound


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of ``measure-accuracy languages``."""
    add = parser.add_argument
    add("--data", type=Path, required=True, help="folder of recordings with truth.json, as for scripts/hear")
    add("--spoiled", type=int, default=300, help="recordings made of them: noise, telephone, … (%(default)s)")
    add("--mixed", type=int, default=30, help="recordings made of them in two languages (%(default)s)")
    add("--cost-rounds", type=int, default=3, help="of what detection costs (%(default)s)")
    add("--seed", type=int, default=1, help="of what is drawn (%(default)s)")


def measure(options: argparse.Namespace, model: Path, ask_for: Ask) -> Iterator[Measurement]:
    """Yield the recordings in one language, then those in two."""
    clips = [_clip(recording) for recording in load_corpus(options.data)]
    product = Product(model, EngineOptions(intra_threads=options.cores))
    product.engine.warm_up()
    rng = random.Random(options.seed)
    text, details = _one_language(product, model, options.cores, clips, options.spoiled, rng)
    yield Measurement(text=text, details=details)
    mixed, more = _two_languages(product, clips, options.mixed, rng)
    text = f"{text}\n\n{mixed}"
    yield Measurement(text=text, details=details | more)
    cost = _cost(product, clips, options.cost_rounds)
    yield Measurement(text=f"{text}\n\n{cost}", details=details | more)


def _clip(recording: Recording) -> Clip:
    pcm = np.concatenate(list(decode_audio(recording.path, max_duration_s=LONGEST_S)), axis=1)
    text = " ".join(channel.text for channel in recording.channels)
    return Clip(name=recording.path.name, language=recording.language, text=text, pcm=pcm[0])


def _noisy(decibels: float) -> Callable[[Sound, random.Random], Sound]:
    def spoiled(pcm: Sound, rng: random.Random) -> Sound:
        kind = rng.choice((fan, room))
        noise = kind(len(pcm), np.random.default_rng(rng.randrange(1 << 32)))
        level = np.sqrt(np.mean(np.square(pcm.astype(np.float64)))) / 10 ** (decibels / 20)
        scaled = noise * (level / max(1e-9, float(np.sqrt(np.mean(np.square(noise))))))
        return np.clip(pcm + scaled, -32768, 32767).astype(np.int16)

    return spoiled


def _after(kind: Callable[..., Any], seconds: float) -> Callable[[Sound, random.Random], Sound]:
    def spoiled(pcm: Sound, rng: random.Random) -> Sound:
        sound = kind(round(seconds * SAMPLE_RATE), np.random.default_rng(rng.randrange(1 << 32)))
        loud = 6000 / max(1e-9, float(np.abs(sound).max()))
        return np.concatenate([(sound * loud).astype(np.int16), pcm])

    return spoiled


def _short(pcm: Sound, rng: random.Random) -> Sound:
    length = round(SHORT_S * SAMPLE_RATE)
    loudness = np.convolve(np.abs(pcm.astype(np.float64)), np.ones(length), mode="valid")[:: SAMPLE_RATE // 10]
    loud = np.flatnonzero(loudness >= 0.5 * loudness.max()) if len(loudness) else np.zeros(1, np.int64)
    first = int(rng.choice(loud.tolist())) * (SAMPLE_RATE // 10)
    return pcm[first : first + length]


SPOILERS: dict[str, Callable[[Sound, random.Random], Sound]] = {
    "noise, 10 dB": _noisy(10),
    "noise, 3 dB": _noisy(3),
    "telephone band": lambda pcm, rng: telephone_band(pcm[None, :])[0],
    "10 s of music before": _after(strings, 10),
    "30 s of ringing before": _after(ringing, 30),
    "2 s of it": _short,
}


def _one_language(
    product: Product, model: Path, cores: int, clips: list[Clip], n_spoiled: int, rng: random.Random
) -> tuple[str, dict[str, Any]]:
    peer = WhisperModel(str(model), device="cpu", compute_type="int8", cpu_threads=cores)
    cases = [("as recorded", clip.language, clip.name, clip.pcm) for clip in clips]
    kinds = list(SPOILERS)
    for n in range(n_spoiled):
        clip, kind = rng.choice(clips), kinds[n % len(kinds)]
        cases.append((kind, clip.language, clip.name, SPOILERS[kind](clip.pcm, rng)))
    total: Counter[str] = Counter()
    right: Counter[tuple[str, str]] = Counter()
    wrong = []
    for kind, language, name, pcm in cases:
        ours = product.transcript(pcm[None, :], DecodeOptions())
        flipped_s = sum(spoken.seconds for spoken in ours.languages if spoken.language != language)
        said, _, _ = peer.detect_language(pcm.astype(np.float32) / 32768, vad_filter=True)
        total[kind] += 1
        right[kind, "MeetMemo"] += ours.language == language
        right[kind, "whole"] += not flipped_s
        right[kind, "faster-whisper"] += said == language
        if flipped_s or said != language:
            wrong.append({"kind": kind, "name": name, "ours": [str(each) for each in ours.languages], "peer": said})
    columns = ("MeetMemo", "whole", "faster-whisper")
    rows = [[kind, str(n), *(str(right[kind, column]) for column in columns)] for kind, n in total.items()] + [
        ["**all**", str(sum(total.values())), *(str(sum(right[k, c] for k in total)) for c in columns)]
    ]
    titles = ("recordings", "number", "main language right", "no second in another", "faster-whisper right")
    return table(titles, rows), {"wrong": wrong}


def _two_languages(product: Product, clips: list[Clip], n_mixed: int, rng: random.Random) -> tuple[str, dict[str, Any]]:
    by_language: dict[str, list[Clip]] = {}
    for clip in clips:
        by_language.setdefault(clip.language, []).append(clip)
    alone: dict[str, float] = {}
    right_s = total_s = 0.0
    changes: list[float] = []
    errors_mixed: list[float] = []
    errors_alone: list[float] = []
    cases = []
    for _ in range(n_mixed):
        first, second = rng.sample(sorted(by_language), 2)
        parts = [rng.choice(by_language[code]) for code in (first, second, first)]
        starts, pcm = _joined(parts)
        heard = product.transcript(pcm[None, :], DecodeOptions())
        passages = list(zip(parts, starts, [*starts[1:], len(pcm) / SAMPLE_RATE], strict=True))
        for part, start_s, end_s in passages:
            inside = [s for s in heard.segments if start_s <= (s.start_s + s.end_s) / 2 < end_s]
            spoken_s = sum(s.end_s - s.start_s for s in inside)
            total_s += spoken_s
            right_s += sum(s.end_s - s.start_s for s in inside if s.language == part.language)
            if part.name not in alone:
                by_itself = product.transcript(part.pcm[None, :], DecodeOptions(language=part.language))
                alone[part.name] = _errors(part, by_itself.segments)
            errors_mixed.append(min(1.0, _errors(part, inside)))
            errors_alone.append(min(1.0, alone[part.name]))
        found = _changes(heard.segments)
        changes += [min((abs(at - start_s) for at in found), default=99.0) for start_s in starts[1:]]
        cases.append([f"{part.name}@{start_s:.1f}" for part, start_s, _ in passages])
        cases[-1] += [f"{s.start_s:.1f} {s.language} {s.text}" for s in heard.segments]
    near = sum(change <= 2.0 for change in changes)
    text = table(
        ("recordings in two languages", "seconds in the right one", "changes within 2 s", "words wrong", "alone"),
        [
            (
                str(n_mixed),
                f"{100 * right_s / max(1e-9, total_s):.1f} %",
                f"{near} of {len(changes)}",
                f"{100 * float(np.mean(errors_mixed)):.1f} %",
                f"{100 * float(np.mean(errors_alone)):.1f} %",
            )
        ],
    )
    return text, {"mixed": cases, "changes_s": [round(change, 2) for change in changes]}


def _cost(product: Product, clips: list[Clip], n_rounds: int) -> str:
    """Compare processor time with the language given and detected, in turns, for all speech in the commonest one."""
    language, _ = Counter(clip.language for clip in clips).most_common(1)[0]
    _, pcm = _joined([clip for clip in clips if clip.language == language] * 2)
    took: dict[str, list[float]] = {"given": [], "detected": []}
    for _ in range(n_rounds):
        for way, options in (("given", DecodeOptions(language=language)), ("detected", DecodeOptions())):
            began_s = time.process_time()
            product.transcript(pcm[None, :], options)
            took[way].append(time.process_time() - began_s)
    ratios = [detected / given for given, detected in zip(took["given"], took["detected"], strict=True)]
    return table(
        ("seconds of speech", "processor s, language given", "detected", "ratio"),
        [
            (
                f"{len(pcm) / SAMPLE_RATE:.0f}",
                f"{min(took['given']):.1f}",
                f"{min(took['detected']):.1f}",
                f"{float(np.median(ratios)):.3f}",
            )
        ],
    )


def _joined(parts: list[Clip]) -> tuple[list[float], Sound]:
    """Join clips of like loudness with pauses; return where each starts, in seconds."""
    pause = np.zeros(round(PAUSE_S * SAMPLE_RATE), np.int16)
    sounds: list[Sound] = []
    starts = []
    length = 0
    for part in parts:
        starts.append(length / SAMPLE_RATE)
        loud = 2500 / max(1.0, float(np.sqrt(np.mean(np.square(part.pcm.astype(np.float64))))))
        sounds += [np.clip(part.pcm * loud, -32768, 32767).astype(np.int16), pause]
        length += len(part.pcm) + len(pause)
    return starts, np.concatenate(sounds)


def _changes(segments: tuple[Segment, ...]) -> list[float]:
    return [after.start_s for before, after in pairwise(segments) if before.language != after.language]


def _errors(clip: Clip, segments: Any) -> float:
    heard = " ".join(segment.text for segment in segments)
    return align(words_of(clip.text, clip.language), words_of(heard, clip.language)).errors.rate
