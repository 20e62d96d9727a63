"""Writes Chinese in simplified or traditional characters, whichever the model happened to write."""

from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Literal

from pipelines.codec import decode, encode
from pipelines.core import Minutes, Transcript

if TYPE_CHECKING:
    from opencc import OpenCC

ZhScript = Literal["simplified", "traditional"]

_CONVERSIONS: dict[ZhScript, str] = {"simplified": "t2s", "traditional": "s2t"}
CHINESE = frozenset({"zh", "yue"})


def in_script(transcript: Transcript, script: ZhScript) -> Transcript:
    """Write the Chinese of a transcript in one script; other languages stay as they are. Times stay."""
    if not any(language in CHINESE for language in _languages(transcript)):
        return transcript
    convert = _converter(script).convert
    return replace(
        transcript,
        segments=tuple(
            replace(
                segment,
                text=convert(segment.text),
                words=tuple(replace(word, text=convert(word.text)) for word in segment.words),
            )
            if (segment.language or transcript.language) in CHINESE
            else segment
            for segment in transcript.segments
        ),
    )


def minutes_in_script(minutes: Minutes, script: ZhScript) -> Minutes:
    """Write minutes in Chinese, quotes and all, in one script; those in other languages stay as they are."""
    if minutes.language.partition("-")[0] not in CHINESE:
        return minutes
    return decode(Minutes, _converter(script).convert(encode(minutes).decode()))


def _languages(transcript: Transcript) -> set[str]:
    return {transcript.language, *(segment.language for segment in transcript.segments)}


@cache
def _converter(script: ZhScript) -> "OpenCC":
    # Imported with the first conversion: most processes that stitch a transcript or read options convert none.
    from opencc import OpenCC

    return OpenCC(_CONVERSIONS[script])
