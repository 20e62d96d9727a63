"""How many speakers a recording may have."""

import re
from dataclasses import dataclass

from pipelines.errors import OptionError

MAX_SPEAKERS = 99
_COUNTS = re.compile(r"([1-9]\d?)(?:-([1-9]\d?))?")


@dataclass(frozen=True, kw_only=True)
class SpeakerOptions:
    """Bounds of the number of speakers, both inclusive; raises `OptionError` where they contradict each other.

    ``max_speakers`` None: as many as are heard. Equal bounds ask for exactly so many. A recording in which fewer
    voices can be told apart than were asked for gets those that can.
    """

    min_speakers: int = 1
    max_speakers: int | None = None

    def __post_init__(self) -> None:
        if self.min_speakers < 1:
            raise OptionError("min_speakers must be at least 1")
        if self.max_speakers is not None and self.max_speakers < self.min_speakers:
            raise OptionError("max_speakers must be at least min_speakers")

    @classmethod
    def parse(cls, wanted: str) -> "SpeakerOptions":
        """Read ``auto`` (as many as are heard), a number, or bounds such as ``2-5``; raises `OptionError`."""
        if wanted == "auto":
            return cls()
        if not (match := _COUNTS.fullmatch(wanted)):
            raise OptionError(
                f"{wanted!r} is neither auto nor a number of speakers such as 4 or 2-5, {MAX_SPEAKERS} at most"
            )
        fewest = int(match[1])
        return cls(min_speakers=fewest, max_speakers=int(match[2]) if match[2] else fewest)
