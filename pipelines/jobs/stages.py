"""`Stage`: the stages of a job that can be done again alone, with the options that each reads and what each keeps."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Stage(StrEnum):
    """A stage of a job, in the order in which they follow each other; part of the public API."""

    LANGUAGE = "language"
    WORDS = "words"
    SPEAKERS = "speakers"
    MINUTES = "minutes"
    DOCUMENTS = "documents"


class Work(StrEnum):
    """What doing a stage again takes of the recording: its speech decoded, its voices heard, or nothing."""

    DECODE = "decode"
    HEAR = "hear"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class StageRule:
    """What a stage takes of the recording, and the job options that it reads; those of the transcript are its own."""

    work: Work
    options: tuple[str, ...]


_MINUTES = ("minutes", "minutes_language", "minutes_template", "minutes_title", "glossary", "recording_date")
_DECODING = ("model", "zh_script", "minutes", "priority", "priority_class")

STAGES: Mapping[Stage, StageRule] = MappingProxyType(
    {
        Stage.LANGUAGE: StageRule(work=Work.DECODE, options=("language", "languages", *_DECODING)),
        Stage.WORDS: StageRule(
            work=Work.DECODE,
            options=(
                *("beam_size", "temperature", "prompt", "vocabulary", "vocabulary_use", "word_timestamps", "task"),
                *_DECODING,
            ),
        ),
        Stage.SPEAKERS: StageRule(work=Work.HEAR, options=("diarize", "speakers", "minutes")),
        Stage.MINUTES: StageRule(work=Work.NONE, options=(*_MINUTES, "translate")),
        Stage.DOCUMENTS: StageRule(work=Work.NONE, options=("minutes_template", "minutes_title", "zh_script")),
    }
)
"""The one table of stages."""


def kept_by(stage: Stage) -> tuple[Stage, ...]:
    """Return the stages whose results are kept when one is done again: those before it."""
    order = tuple(Stage)
    return order[: order.index(stage)]
