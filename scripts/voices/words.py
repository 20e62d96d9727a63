"""Score who said which words: cpWER, the concatenated minimum-permutation word error rate, beside the plain one.

Source: Watanabe et al., CHiME-6 Challenge, 2020, section 4.3 (cpWER). meeteval, whose figures are the same, needs a
compiler where it is installed.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from scripts.hearing.alignment import align, words_of
from scripts.voices.der import best_pairing

Said = tuple[str, float, str]
"""Speaker, start in seconds and text of a turn."""


@dataclass(frozen=True, kw_only=True)
class WordErrors:
    """Shares of wrong words: ``plain``, all turns in one text by their start; ``by_speaker``, a text for each speaker.

    ``by_speaker`` (cpWER) pairs the speakers one to one for the fewest errors: a word of the wrong speaker is wrong
    twice. Where people talk at once, ``plain`` may be greater, since it has an order of words that nobody spoke in.
    """

    plain: float
    by_speaker: float


def word_errors(reference: Iterable[Said], hypothesis: Iterable[Said], language: str) -> WordErrors:
    """Compare words as `words_of` returns them; ``language`` is that of both."""
    said, heard = (sorted(turns, key=lambda turn: turn[1]) for turns in (reference, hypothesis))
    whole = _words(said, language)
    n_words = max(1, len(whole))
    by_speaker = _fewest_edits(_by_speaker(said, language), _by_speaker(heard, language))
    return WordErrors(plain=_edits(whole, _words(heard, language)) / n_words, by_speaker=by_speaker / n_words)


def _fewest_edits(said: Sequence[list[str]], heard: Sequence[list[str]]) -> float:
    """Return the errors of the best pairs; who has no partner is compared with silence."""
    spared = {
        (f"{i}", f"{j}"): float(len(own) + len(other) - _edits(own, other))
        for i, own in enumerate(said)
        for j, other in enumerate(heard)
    }
    alone = sum(map(len, said)) + sum(map(len, heard))
    return alone - (best_pairing(spared) if spared else 0.0)


def _edits(said: list[str], heard: list[str]) -> int:
    if not said or not heard:
        return len(said) + len(heard)
    errors = align(said, heard).errors
    return errors.n_substituted + errors.n_deleted + errors.n_inserted


def _words(turns: Iterable[Said], language: str) -> list[str]:
    return words_of(" ".join(text for _, _, text in turns), language)


def _by_speaker(turns: list[Said], language: str) -> list[list[str]]:
    return [
        _words((turn for turn in turns if turn[0] == speaker), language)
        for speaker in sorted({turn[0] for turn in turns})
    ]
