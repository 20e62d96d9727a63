"""Training windows: sentences of several speakers laid out in time, with the tokens Whisper should say about them."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from random import Random

import numpy as np
import torch
from torch import Tensor

from mini_model.augment import Mix, Samples, harm, noise
from mini_model.model import MAX_WINDOW_S, SAMPLE_RATE, letters_of
from mini_model.pool import Clip, Pool
from mini_model.tokenizer import Vocabulary

IGNORED = -100
_MAX_TOKENS = 320
"""Of what is said in a window; Whisper has 448 positions, the prompt takes some."""
_MAX_PAST, _POSITIONS = 223, 448
"""Tokens of the text before that programs hand over, and of everything together."""
_ALIKE_NEXT = 0.6
"""Sentences of a window of alike ones that begin as the one before."""


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The shape of the windows of one batch."""

    seconds: float
    max_sentences: int


@dataclass(frozen=True, kw_only=True)
class Shares:
    """The probabilities of the variants of a window."""

    silent: float = 0.1
    flush: float = 0.5
    """Windows that end right after the last word, as unpadded ones do."""
    with_language: float = 0.35
    """Prompts with ``<|en|><|transcribe|>``; all of them where there are several languages. faster-whisper takes a
    vocabulary like that of `mini-en` for an English-only model's and leaves them out; programs that know better do
    not."""
    with_past: float = 0.15
    """Prompts that begin with what was said before."""
    full_with_past: float = 0.5
    """The same for windows of 30 s: faster-whisper's do, from the second window on."""
    featureless: float = 0.4
    """Full windows with less sound, filled up with zeros in place of its features, as faster-whisper fills them up:
    that sounds like a noise that sets in."""
    cut_off: float = 0.45
    """Full windows whose last sentence is cut: only its start is marked, as Whisper does. These are asked for with
    times only, so that more of them leave fewer packed windows without."""
    alike: float = 0.4
    """Windows whose next sentence often begins as the one before: else the decoder learns to find its place by what is
    said, and jumps from "Hello, this is Alice" to a later "Hello, this is"."""
    mix: Mix = field(default_factory=Mix)


@dataclass(frozen=True, kw_only=True)
class Row:
    """A prompt for Whisper (``prompt``) about a window, and the tokens it should answer (``target``)."""

    prompt: list[int]
    target: list[int]


@dataclass(frozen=True, kw_only=True)
class Window:
    """``samples`` with one or two rows; ``letters`` are None where the sound says more than them.

    After ``n_heard`` samples the features are zeros."""

    samples: Samples
    n_heard: int
    rows: list[Row]
    letters: list[int] | None
    silent: bool


@dataclass(frozen=True, kw_only=True)
class Batch:
    """``samples (n_windows, n_samples)``, of which ``n_heard (n_windows)`` are heard, ``tokens`` and ``labels (n_rows,
    n_tokens)``; row i is about window ``window_of[i]``. ``letters`` holds the labels of the ``lettered`` windows one
    after the other."""

    samples: Tensor
    n_heard: Tensor
    window_of: Tensor
    tokens: Tensor
    labels: Tensor
    lettered: Tensor
    letters: Tensor
    n_letters: Tensor


LAYOUTS = (
    # Weight, seconds from, to, most sentences.
    (2, 2.0, 5.0, 1),
    (3, 3.5, 7.5, 3),
    (2, 7.0, 10.0, 4),
    (2, 9.0, 14.0, 6),
    (2, 16.0, 29.0, 9),
    (7, 30.0, 30.0, 14),
    (1, 30.0, 30.0, 4),
    (1, 30.0, 30.0, 1),
)
"""Short, growing and full windows side by side: a length that was not trained gives no text at all."""


def draw_layout(rng: Random) -> Layout:
    _, shortest, longest, sentences = rng.choices(LAYOUTS, weights=[row[0] for row in LAYOUTS])[0]
    return Layout(seconds=min(MAX_WINDOW_S, rng.uniform(shortest, longest)), max_sentences=sentences)


class WindowMaker:
    """Draws windows from a pool of clips."""

    def __init__(self, pool: Pool, vocabulary: Vocabulary, shares: Shares, seed: int) -> None:
        self._pool, self._vocabulary, self._shares = pool, vocabulary, shares
        self.rng = Random(seed)
        self._dice = np.random.default_rng(seed)

    def window(self, layout: Layout) -> Window:
        """Make a window with two prompts about it, with timestamps and without: the encoder's work serves both."""
        rng, shares = self.rng, self._shares
        language = rng.choice(self._pool.languages)
        full = layout.seconds >= MAX_WINDOW_S
        n_heard = round((self._heard_s() if full else layout.seconds) * SAMPLE_RATE)
        placed = self._arrange(n_heard, layout.max_sentences, language) if rng.random() >= shares.silent else []
        samples = np.zeros(round(layout.seconds * SAMPLE_RATE), np.float32)
        samples[:n_heard] = self._mixed(placed, n_heard)
        cut = any(not whole for _, _, whole in placed)
        past = shares.full_with_past if full else shares.with_past
        asked = [timed for timed in (True, False) if timed or not cut]
        rows = [self._row(placed, language, timed=timed, with_past=rng.random() < past) for timed in asked]
        letters = None if cut else [label for clip, _, _ in placed for label in letters_of(" " + clip.text)]
        return Window(samples=samples, n_heard=n_heard, rows=rows, letters=letters, silent=not placed)

    def batch(self, layout: Layout, n_windows: int) -> Batch:
        """Make windows side by side; tokens are padded with the end token, labels with `IGNORED`."""
        windows = [self.window(layout) for _ in range(n_windows)]
        rows = [(number, window.silent, row) for number, window in enumerate(windows) for row in window.rows]
        end, start, silence = (self._vocabulary[name] for name in ("endoftext", "startoftranscript", "nospeech"))
        width = max(len(row.prompt) + len(row.target) for _, _, row in rows)
        tokens, labels = torch.full((len(rows), width), end), torch.full((len(rows), width), IGNORED)
        for i, (_, silent, row) in enumerate(rows):
            line = [*row.prompt, *row.target, end]
            tokens[i, : len(line) - 1] = torch.tensor(line[:-1])
            asked = len(row.prompt) - 1
            labels[i, asked : len(line) - 1] = torch.tensor(line[asked + 1 :])
            begin = row.prompt.index(start)
            labels[i, begin] = silence if silent else line[begin + 1]
        letters = [window.letters for window in windows if window.letters is not None]
        return Batch(
            samples=torch.from_numpy(np.stack([window.samples for window in windows])),
            n_heard=torch.tensor([window.n_heard for window in windows]),
            window_of=torch.tensor([number for number, _, _ in rows]),
            tokens=tokens,
            labels=labels,
            lettered=torch.tensor([window.letters is not None for window in windows]),
            letters=torch.tensor([label for row in letters for label in row], dtype=torch.long),
            n_letters=torch.tensor([len(row) for row in letters], dtype=torch.long),
        )

    def _heard_s(self) -> float:
        """Draw the seconds of sound in a full window."""
        rng = self.rng
        if rng.random() >= self._shares.featureless:
            return MAX_WINDOW_S
        return rng.uniform(rng.choice((2, 24)), MAX_WINDOW_S)

    def _mixed(self, placed: Sequence[tuple[Clip, int, bool]], n_samples: int) -> Samples:
        """Mix the clips at their places, each with its gain and distortions, and add noise."""
        rng, mix = self.rng, self._shares.mix
        clean, loudness = rng.random() < mix.clean, 10 ** rng.uniform(-1, 0)
        samples = np.zeros(n_samples, np.float32)
        for clip, start, _ in placed:
            gain = 1.0 if clean else min(1.0, loudness * 10 ** rng.uniform(-0.3, 0.3))
            sound = self._pool.samples(clip)[: n_samples - start]
            samples[start : start + len(sound)] += sound * np.float32(gain)
        if not clean:
            samples = harm(samples, mix, rng, self._dice)
        return samples + self._noise(n_samples, clean=clean, silent=not placed, loudness=loudness)

    def _noise(self, n_samples: int, *, clean: bool, silent: bool, loudness: float) -> Samples | np.float32:
        rng = self.rng
        if rng.random() >= (0.5 * silent if clean else self._shares.mix.noise):
            return np.float32(0)
        if clean:
            level = 10 ** rng.uniform(-5, -3)
        else:
            level = 10 ** rng.uniform(-4.5, -2.3) * (10 ** rng.uniform(0, 1.8) if silent else loudness**0.5)
        return noise(n_samples, rng, self._dice) * np.float32(level)

    def _arrange(self, n_samples: int, max_sentences: int, language: str) -> list[tuple[Clip, int, bool]]:
        """Return clips with their first sample; the last one is not whole if it reaches beyond the window."""
        rng, placed = self.rng, list[tuple[Clip, int, bool]]()
        position = round(rng.choice((0, rng.uniform(0, 0.3), rng.uniform(0, 1.2))) * SAMPLE_RATE)
        alike = rng.random() < self._shares.alike
        n_tokens = 0
        while len(placed) < max_sentences and (not placed or position < n_samples - SAMPLE_RATE // 2):
            like = placed[-1][0] if alike and placed and rng.random() < _ALIKE_NEXT else None
            drawn = [self._pool.draw_like(like, rng) if like else self._pool.draw(rng, language) for _ in range(4)]
            fitting = [clip for clip in drawn if position + clip.n_samples <= n_samples]
            if not fitting:
                if placed and rng.random() < self._shares.cut_off:
                    placed.append((drawn[0], position, False))
                break
            # Short windows take the longest one that fits: silence teaches little.
            clip = max(fitting, key=lambda clip: clip.n_samples) if max_sentences == 1 else fitting[0]
            n_tokens += len(self._vocabulary.encode(clip.text)) + 2
            if n_tokens > _MAX_TOKENS:
                break
            placed.append((clip, position, True))
            pause_s = rng.uniform(0.05, 0.5) if rng.random() < 0.5 else rng.uniform(0.3, 1.8)
            position += clip.n_samples + round(pause_s * SAMPLE_RATE)
        if not placed or not placed[-1][2] or rng.random() >= self._shares.flush:
            return placed
        end = placed[-1][1] + placed[-1][0].n_samples
        shift = max(0, n_samples - end - round(rng.choice((0, rng.uniform(0, 0.4))) * SAMPLE_RATE))
        return [(clip, start + shift, whole) for clip, start, whole in placed] if shift < 3 * SAMPLE_RATE else placed

    def _row(self, placed: Sequence[tuple[Clip, int, bool]], language: str, *, timed: bool, with_past: bool) -> Row:
        vocabulary, rng = self._vocabulary, self.rng
        target: list[int] = []
        for clip, start, whole in placed:
            first, last = (vocabulary.timestamp(at / SAMPLE_RATE) for at in (start, start + clip.n_samples))
            said = vocabulary.encode(clip.text) if whole else []
            target += [first, *said, last][: None if whole else 1] if timed else said
        prompt = [vocabulary["startoftranscript"]]
        if len(self._pool.languages) > 1 or rng.random() < self._shares.with_language:
            prompt += [vocabulary[language], vocabulary["transcribe"]]
        if not timed:
            prompt.append(vocabulary["notimestamps"])
        elif not placed and rng.random() < 0.5:
            prompt.append(vocabulary.timestamp(rng.uniform(0, 1)))
        room = min(_MAX_PAST, _POSITIONS - len(prompt) - len(target) - 2)
        return Row(prompt=[*self._past(language, timed, room), *prompt] if with_past else prompt, target=target)

    def _past(self, language: str, timed: bool, room: int) -> list[int]:
        """Return the last ``room`` tokens of a made-up previous text: one to twelve sentences of earlier windows.

        Their times rise up to a window's end and begin anew in the next, as they do where a program hands them over.
        They are drawn from the last sentence back.
        """
        rng, vocabulary = self.rng, self._vocabulary
        past: list[int] = []
        end_s = rng.uniform(20, MAX_WINDOW_S)
        for _ in range(rng.choice((1, 3, 6, 12, 12))):
            clip = self._pool.draw(rng, language)
            start_s = end_s - clip.n_samples / SAMPLE_RATE
            if start_s < 0:
                end_s = rng.uniform(24, MAX_WINDOW_S)
                start_s = end_s - clip.n_samples / SAMPLE_RATE
            said = vocabulary.encode(clip.text)
            past = [vocabulary.timestamp(start_s), *said, vocabulary.timestamp(end_s), *past] if timed else said + past
            end_s = start_s - rng.uniform(0.05, 1.5)
        return [vocabulary["startofprev"], *past[-room:]]
