"""`Sound`: what decoding found out about a recording beside its samples.

It is told by the process that decodes, which is not trusted (`pipelines.audio.sandbox_protocol`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any

from pipelines.audio.mixing import Remix
from pipelines.core import SoundTrack, TrackState
from pipelines.text.cleaning import cleaned

MAX_TITLE_CHARACTERS = 100
MAX_DECLARED_S = 1e9
"""A length beyond is nonsense, and as good as none."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What was heard of a recording: its tracks, and where channels were not simply added to one.

    ``remixes`` maps the transcript's channels to their stretches.
    """

    tracks: tuple[SoundTrack, ...] = ()
    remixes: dict[int, tuple[Remix, ...]] = field(default_factory=dict)


def sound_bytes(sound: Sound) -> bytes:
    """Return what was heard as JSON, without a library: this is said by a process that loads little."""
    return json.dumps(asdict(sound)).encode()


def read_sound(data: bytes | bytearray) -> Sound:
    """Read what `sound_bytes` wrote, in a process that does not trust it; raises ``ValueError``."""
    from pipelines.codec import decode  # brings pydantic along, which whoever writes it does without

    sound = decode(Sound, bytes(data))
    numbers = [
        *(number for track in sound.tracks for number in (track.duration_s or 0.0, track.n_channels, *track.channels)),
        *(number for stretches in sound.remixes.values() for each in stretches for number in astuple(each)),
    ]
    if not all(0 <= number < MAX_DECLARED_S for number in numbers):
        raise ValueError("a number that cannot be")
    if any(
        len(text) > MAX_TITLE_CHARACTERS for each in sound.tracks for text in (each.title, each.codec, each.language)
    ):
        raise ValueError("a name that is too long")
    return replace(sound, tracks=cleaned(sound.tracks))


class SoundReport:
    """Gathers while a recording is decoded what `Sound` tells at its end."""

    def __init__(self) -> None:
        self._tracks: tuple[SoundTrack, ...] = ()
        self._remixes: dict[int, tuple[Remix, ...]] = {}

    @property
    def sound(self) -> Sound:
        """What is known so far."""
        return Sound(tracks=self._tracks, remixes=dict(self._remixes))

    def found(self, tracks: Iterable[SoundTrack]) -> None:
        """Enter the tracks that there are."""
        self._tracks = tuple(tracks)

    def passed_over(self, number: int, state: TrackState) -> None:
        """Enter that another track is taken in the place of this one, and why."""
        self._change(number, state=state)

    def heard(self, number: int, channels: Sequence[int], remixes: Sequence[Remix]) -> None:
        """Enter the channels that a track became, and where they were not simply added."""
        self._change(number, state=TrackState.HEARD, channels=tuple(channels))
        if remixes:
            self._remixes[channels[0]] = tuple(remixes)

    def _change(self, number: int, **changes: Any) -> None:
        self._tracks = tuple(replace(track, **changes) if track.number == number else track for track in self._tracks)
