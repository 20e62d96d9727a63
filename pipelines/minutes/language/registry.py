"""The cues of each language, and the language of a transcript."""

from dataclasses import replace
from functools import cache

from pipelines.core import Minutes, Transcript
from pipelines.errors import MinutesError
from pipelines.minutes.language.cues import OTHER, Cues
from pipelines.minutes.language.cues_en import EN
from pipelines.minutes.language.cues_zh import ZH
from pipelines.minutes.language.stopwords import stop_words
from pipelines.minutes.language.wording import is_chinese
from pipelines.text.language_names import same_language, spoken_code

_CUES = {"en": EN, "zh": ZH, "yue": ZH}


def spoken_language(transcript: Transcript, wanted: str | None) -> str:
    """Return the code of the language that extractive minutes of a transcript are in.

    Raises ``MinutesError`` when another one is wanted: sentences can be chosen, not translated.
    """
    spoken = transcript.language or ("zh" if is_chinese(transcript.text) else "")
    if not wanted:
        return spoken or "en"
    if spoken and not same_language(wanted, spoken):
        raise MinutesError(
            f"extractive minutes are in the language that was spoken ({spoken}); "
            f"minutes in {wanted} need a language model"
        )
    return wanted


def cues_for(language: str, text: str) -> Cues:
    """Return the cues for a transcript's text; what it is written in counts more than what it is said to be."""
    code = spoken_code(language)
    if is_chinese(text) and code != "ja":
        return ZH
    cues = _CUES.get(code) or _other(code)
    return EN if cues.chinese else cues


def decisions_recognised(minutes: Minutes) -> bool:
    """Say whether decisions and action items were looked for: False where no rule knows the language of the minutes."""
    found = minutes.decisions or minutes.action_items
    known = not minutes.language or spoken_code(minutes.language) in _CUES
    return bool(found) or minutes.writer != "extractive" or known


@cache
def _other(code: str) -> Cues:
    return replace(OTHER, stops=stop_words(code))
