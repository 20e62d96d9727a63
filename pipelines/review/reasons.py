"""Why somebody should listen to a stretch of a recording, and how much each reason weighs."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType


class ReviewReason(StrEnum):
    """Why somebody should listen; programs may rely on the names."""

    UNHEARD = "unheard"
    FAILED = "failed"
    SUSPECT = "suspect"
    LANGUAGE = "language"
    SPEAKER = "speaker"
    DECISION = "decision"
    NUMBER = "number"
    NAME = "name"


WEIGHTS: Mapping[ReviewReason, float] = MappingProxyType(
    {
        ReviewReason.UNHEARD: 1.0,
        ReviewReason.FAILED: 1.0,
        ReviewReason.DECISION: 1.0,
        ReviewReason.SUSPECT: 0.8,
        ReviewReason.NUMBER: 0.6,
        ReviewReason.NAME: 0.5,
        ReviewReason.LANGUAGE: 0.5,
        ReviewReason.SPEAKER: 0.3,
    }
)
"""The harm of an error: what is missing and what was decided weigh most, who said it least. Chosen, not measured."""
