"""The cues of each language, and the language of a transcript."""

from pipelines.core import Transcript
from pipelines.errors import MinutesError
from pipelines.minutes.language.cues import OTHER, Cues
from pipelines.minutes.language.cues_en import EN
from pipelines.minutes.language.cues_zh import ZH
from pipelines.minutes.language.wording import is_chinese

_CUES = {"en": EN, "zh": ZH, "yue": ZH}


def base(code: str) -> str:
    """Return the language of a tag such as ``zh-TW`` or ``en_US``."""
    return code.strip().casefold().replace("_", "-").split("-")[0]


def spoken_language(transcript: Transcript, wanted: str | None) -> str:
    """Return the code of the language that extractive minutes of a transcript are in.

    Raises ``MinutesError`` when another one is wanted: sentences can be chosen, not translated.
    """
    spoken = transcript.language or ("zh" if is_chinese(transcript.text) else "")
    if not wanted:
        return spoken or "en"
    if spoken and base(wanted) != base(spoken):
        raise MinutesError(
            f"extractive minutes are in the language that was spoken ({spoken}); "
            f"minutes in {wanted} need a language model"
        )
    return wanted


def cues_for(language: str, text: str) -> Cues:
    """Return the cues for a transcript's text; what it is written in counts more than what it is said to be."""
    if is_chinese(text) and base(language) != "ja":
        return ZH
    cues = _CUES.get(base(language), OTHER)
    return EN if cues.chinese else cues
