"""`LanguageDetector`: which languages the rows of a batch are in, and where they change.

The encoder's output of a row is asked again in short windows, with a second of silence after each: without it Whisper
takes the end of the window for a word that breaks off. Where a row seems to change its language, the change is moved to
the pause that parts the languages best, and each part is encoded by itself and asked again.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from math import ceil

import numpy as np

from pipelines.core import SAMPLE_RATE, LanguagePassage
from pipelines.whisper.ct2_model import FRAMES_PER_SAMPLE, Encoding, RowFailure, WhisperModel, with_silence
from pipelines.whisper.options import WINDOW_SAMPLES, DecodeRequest, Pcm
from pipelines.whisper.passages import (
    WINDOW_S,
    LanguageWindow,
    find_language,
    find_passages,
    language_prior,
    main_language,
    passage_of,
)

Encode = Callable[[Sequence[DecodeRequest]], Sequence[Encoding | RowFailure]]
"""Encodes rows, all to one length, with silence after each."""

SHORTEST_S, LONGEST_S = 3.5, 6.5
"""Lengths of windows, which end where it is quietest."""
SILENCE_S = 1.2
"""Silence after a window; more of it changes nothing."""
SURE = 0.5
"""Probability of a row's language from which a window needs no second look; in speech of one language hardly any has
less."""
BESIDE_S = 4.0
"""Speech on both sides of a possible change that is asked for its language."""
_WHOLE_FLOOR = 0.2  # what a row as a whole leaves to languages that it says nothing for
_MAX_PAUSES = 8
_LEAST_PART_S = 1.0
_MOST_WEIGHT = 1.5
_LOUDNESS = SAMPLE_RATE // 50  # samples per value
_QUIET_VALUES = 10  # that a pause lasts
_APART_S = 0.5


@dataclass(frozen=True)
class _Row:
    """A row with its encoder's output and what is known of its language."""

    request: DecodeRequest
    encoding: Encoding
    n_steps: int
    prior: Mapping[str, float]

    @property
    def duration_s(self) -> float:
        return self.request.duration_s


class LanguageDetector:
    """Detects languages with one model; keeps nothing between calls but the encoder's output of silence."""

    def __init__(self, model: WhisperModel, languages: Sequence[str], encode: Encode, *, by_window: bool) -> None:
        """``by_window`` False: rows are so short that each is in one language."""
        self._model = model
        self._languages = languages
        self._encode = encode
        self._by_window = by_window
        self._silence: tuple[object, Encoding] | None = None

    def detect(self, rows: Sequence[DecodeRequest], encodings: Sequence[Encoding]) -> list[tuple[LanguagePassage, ...]]:
        """Return passages that tile each row, in seconds of it; none where the model cannot be asked."""
        asked = [
            _Row(row, encoding, self._n_steps(row.duration_s), self._prior(row))
            for row, encoding in zip(rows, encodings, strict=True)
        ]
        found = self._in_windows(asked)
        return [self._passages(row, windows) if windows else () for row, windows in zip(asked, found, strict=True)]

    def _prior(self, row: DecodeRequest) -> dict[str, float]:
        allowed = [code for code in self._languages if not row.options.languages or code in row.options.languages]
        return language_prior(allowed, dict(row.options.expected))

    def _n_steps(self, seconds: float) -> int:
        """Encoder steps of some seconds of sound, at least one."""
        return max(1, round(seconds * SAMPLE_RATE * FRAMES_PER_SAMPLE / 2 / self._model.choice.pooling))

    def _in_windows(self, rows: Sequence[_Row]) -> list[list[LanguageWindow]]:
        """Ask rows in windows; one that has only one is asked as it is."""
        edges = [self._edges(row) for row in rows]
        parts = [part for row, at in zip(rows, edges, strict=True) for part in self._parts(row, at)]
        answers = iter(self._ask(parts))
        return [_windows(at, [next(answers) for _ in at[1:]]) for at in edges]

    def _edges(self, row: _Row) -> list[float]:
        """Return the edges of a row's windows, in seconds: a change of language is seldom within a sentence."""
        edges = [0.0]
        while self._by_window and row.duration_s - edges[-1] > LONGEST_S:
            low_s, high_s = edges[-1] + SHORTEST_S, min(edges[-1] + LONGEST_S, row.duration_s - SHORTEST_S)
            quietest = pauses_in(row.request.pcm, low_s, high_s, 1)
            edges.append(quietest[0] if quietest else high_s)
        return [*edges, row.duration_s]

    def _parts(self, row: _Row, edges: Sequence[float]) -> Iterator[Encoding]:
        if len(edges) == 2:
            yield row.encoding
            return
        yield from (self._part(row, start_s, end_s) for start_s, end_s in pairwise(edges))

    def _part(self, row: _Row, start_s: float, end_s: float) -> Encoding:
        """Return the encoder's output of a part of a row with silence after it, a whole number of seconds in all."""
        length = self._n_steps(ceil(end_s - start_s + SILENCE_S))
        start = self._n_steps(start_s) if start_s > 0 else 0
        part = row.encoding[start : min(row.n_steps, self._n_steps(end_s), start + length - 1)]
        return with_silence(part, self._silent(length - len(part)))

    def _silent(self, n_steps: int) -> Encoding:
        """Return the last steps of the encoder's output of silence in a window of full length: others do not do."""
        if self._silence is None or self._silence[0] != self._model.choice:
            quiet = DecodeRequest(pcm=np.zeros(WINDOW_SAMPLES, np.int16))
            encoding = self._encode([quiet])[0]
            if isinstance(encoding, RowFailure):
                raise RuntimeError(str(encoding))
            self._silence = self._model.choice, encoding
        return self._silence[1][-n_steps:]

    def _ask(self, parts: Sequence[Encoding]) -> list[dict[str, float]]:
        """Return the probabilities of the model's languages for each part, summing to 1; empty where it cannot say."""
        answers: dict[int, dict[str, float]] = {}
        alike = groupby(sorted(range(len(parts)), key=lambda i: len(parts[i])), key=lambda i: len(parts[i]))
        for _, places in alike:
            group = list(places)
            found = self._model.detect_language([parts[i] for i in group])
            answers.update((i, self._spoken(each)) for i, each in zip(group, found, strict=True))
        return [answers[i] for i in range(len(parts))]

    def _spoken(self, found: dict[str, float] | RowFailure) -> dict[str, float]:
        if isinstance(found, RowFailure):  # CTranslate2 refuses what it takes for a model of one language
            return {}
        spoken = {code: found.get(code, 0.0) for code in self._languages}
        total = sum(spoken.values())
        return {code: probability / total for code, probability in spoken.items()} if total else {}

    def _passages(self, row: _Row, windows: Sequence[LanguageWindow]) -> tuple[LanguagePassage, ...]:
        """Return the passages of a row: those of its windows, looked at twice where they are unsure or several."""
        passages = find_passages(windows, row.prior)
        main = main_language(passages)
        sure = all(window.probabilities.get(main, 0.0) >= SURE for window in windows)
        if len(windows) == 1 or (len(passages) == 1 and sure):
            return passages
        passages = find_passages(windows, self._prior_after_whole(row))
        return passages if len(passages) == 1 else self._confirmed(row, windows, self._at_pauses(row, passages))

    def _ask_alone(self, row: _Row, parts: Sequence[tuple[float, float]]) -> list[dict[str, float]]:
        """Encode parts of a row by themselves and ask them; empty for one that cannot be."""
        rows = [replace(row.request, pcm=part_of(row.request.pcm, start_s, end_s)) for start_s, end_s in parts]
        encodings = self._encode(rows)
        answers = iter(self._ask([each for each in encodings if not isinstance(each, RowFailure)]))
        return [{} if isinstance(each, RowFailure) else next(answers) for each in encodings]

    def _prior_after_whole(self, row: _Row) -> dict[str, float]:
        """Return the prior of a row's languages once it was asked as a whole."""
        whole = self._ask([row.encoding])[0]
        weights = {code: p * (whole.get(code, 0.0) + _WHOLE_FLOOR) for code, p in row.prior.items()}
        total = sum(weights.values())
        return {code: weight / total for code, weight in weights.items()}

    def _confirmed(
        self, row: _Row, windows: Sequence[LanguageWindow], passages: Sequence[LanguagePassage]
    ) -> tuple[LanguagePassage, ...]:
        """Ask each passage by itself as well; those that turn out to be in one language become one."""
        answers = self._ask_alone(row, [(passage.start_s, passage.end_s) for passage in passages])
        if not all(answers):
            return tuple(passages)
        alone = [_alone(each.start_s, each.end_s, answer) for each, answer in zip(passages, answers, strict=True)]
        heard = [[each, *_inside(windows, each)] for each in alone]
        runs = groupby(heard, key=lambda each: find_language(each, row.prior))
        return tuple(_passage(language, list(run), row.prior) for language, run in runs)

    def _at_pauses(self, row: _Row, passages: Sequence[LanguagePassage]) -> list[LanguagePassage]:
        """Move each change of language to the pause that parts the languages best."""
        moved = [passages[0]]
        for passage in passages[1:]:
            before = moved.pop()
            at_s = self._change(row, before, passage)
            moved += [replace(before, end_s=at_s), replace(passage, start_s=at_s)]
        return moved

    def _change(self, row: _Row, before: LanguagePassage, after: LanguagePassage) -> float:
        """Return the second of the pause before which ``before`` is spoken, and ``after`` after it."""
        low_s = max(before.start_s + _LEAST_PART_S, after.start_s - WINDOW_S)
        high_s = min(after.end_s - _LEAST_PART_S, after.start_s + WINDOW_S)
        pauses = pauses_in(row.request.pcm, low_s, high_s, _MAX_PAUSES)
        sides = [
            self._part(row, start_s, end_s)
            for at_s in pauses
            for start_s, end_s in ((max(0.0, at_s - BESIDE_S), at_s), (at_s, min(row.duration_s, at_s + BESIDE_S)))
        ]
        answers = self._ask(sides)
        merit = {
            at_s: answers[2 * i].get(before.language, 0.0) * answers[2 * i + 1].get(after.language, 0.0)
            for i, at_s in enumerate(pauses)
        }
        return max(pauses, key=lambda at_s: merit[at_s], default=after.start_s)


def _windows(edges: Sequence[float], answers: Sequence[dict[str, float]]) -> list[LanguageWindow]:
    """Return the windows between edges; none where one has no answer."""
    if not all(answers):
        return []
    if len(answers) == 1:
        return [_alone(edges[0], edges[1], answers[0])]
    return [
        LanguageWindow(start_s=start_s, end_s=end_s, probabilities=answer, weight=(end_s - start_s) / WINDOW_S)
        for (start_s, end_s), answer in zip(pairwise(edges), answers, strict=True)
    ]


def _passage(language: str, parts: Sequence[Sequence[LanguageWindow]], prior: Mapping[str, float]) -> LanguagePassage:
    """Make one passage of neighbours, each asked by itself first, then in windows."""
    passage = passage_of(language, [window for part in parts for window in part], prior)
    return replace(passage, start_s=parts[0][0].start_s, end_s=parts[-1][0].end_s)


def _inside(windows: Sequence[LanguageWindow], passage: LanguageWindow) -> list[LanguageWindow]:
    """Return the windows that lie mostly in a passage."""
    return [each for each in windows if passage.start_s <= (each.start_s + each.end_s) / 2 <= passage.end_s]


def _alone(start_s: float, end_s: float, answer: dict[str, float]) -> LanguageWindow:
    """Return a window that was encoded by itself: it counts more, the longer it is."""
    weight = min(_MOST_WEIGHT, max(1.0, (end_s - start_s) / WINDOW_S))
    return LanguageWindow(start_s=start_s, end_s=end_s, probabilities=answer, weight=weight)


def part_of(pcm: Pcm, start_s: float, end_s: float) -> Pcm:
    """Return the samples between two times of a row."""
    return pcm[round(start_s * SAMPLE_RATE) : round(end_s * SAMPLE_RATE)]


def pauses_in(pcm: Pcm, low_s: float, high_s: float, n_most: int) -> list[float]:
    """Return the middles, in seconds, of the quietest places between two times, quietest first and apart."""
    first = max(0, round(low_s * SAMPLE_RATE))
    samples = pcm[first : max(first, round(high_s * SAMPLE_RATE))].astype(np.float32)
    n_values = len(samples) // _LOUDNESS
    if n_values < _QUIET_VALUES:
        return []
    power = np.square(samples[: n_values * _LOUDNESS]).reshape(n_values, _LOUDNESS).mean(axis=1)
    quiet = np.convolve(power, np.ones(_QUIET_VALUES), mode="valid")
    middles = (first + (np.arange(len(quiet)) + _QUIET_VALUES / 2) * _LOUDNESS) / SAMPLE_RATE
    found: list[float] = []
    for place in np.argsort(quiet, kind="stable"):
        if all(abs(middles[place] - other) >= _APART_S for other in found):
            found.append(float(middles[place]))
        if len(found) == n_most:
            break
    return found
