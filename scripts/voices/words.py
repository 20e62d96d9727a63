"""Score who said which words: cpWER, the concatenated minimum-permutation word error rate, beside the plain one.

Source: Watanabe et al., CHiME-6 Challenge, 2020, section 4.3 (cpWER).
"""

from collections.abc import Iterable
from dataclasses import dataclass

from meeteval.wer.wer.cp import cp_word_error_rate
from meeteval.wer.wer.siso import siso_word_error_rate

from scripts.hearing.alignment import words_of

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
    plain = siso_word_error_rate(_text(said, language), _text(heard, language))
    parted = cp_word_error_rate(_by_speaker(said, language), _by_speaker(heard, language))
    return WordErrors(plain=float(plain.error_rate), by_speaker=float(parted.error_rate))


def _text(turns: Iterable[Said], language: str) -> str:
    return " ".join(words_of(" ".join(text for _, _, text in turns), language))


def _by_speaker(turns: list[Said], language: str) -> dict[str, str]:
    return {
        speaker: _text((turn for turn in turns if turn[0] == speaker), language)
        for speaker in sorted({turn[0] for turn in turns})
    }
