"""`Sound`: what decoding found out about a recording beside its samples.

It is told by the process that decodes, which is not trusted (`pipelines.audio.sandbox_protocol`).
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, astuple, dataclass, field, replace
from typing import Any

from pipelines.audio.clock.damage import DamageLog
from pipelines.audio.mixing import Remix
from pipelines.core import SAMPLE_RATE, Damage, SoundTrack, TrackState
from pipelines.text.cleaning import cleaned

MAX_TITLE_CHARACTERS = 100
MAX_DECLARED_S = 1e9
"""A length beyond is nonsense, and as good as none."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What was heard of a recording: its tracks, and where channels were not simply added to one.

    ``remixes`` maps the transcript's channels to their stretches. ``damaged`` was lost, by start; ``declared_s`` is the
    recording's length where its container knows it.
    """

    tracks: tuple[SoundTrack, ...] = ()
    remixes: dict[int, tuple[Remix, ...]] = field(default_factory=dict)
    damaged: tuple[Damage, ...] = ()
    declared_s: float | None = None


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
    numbers += [sound.declared_s or 0.0, *(number for each in sound.damaged for number in each.channels)]
    if not all(0 <= each.start < each.end < MAX_DECLARED_S * SAMPLE_RATE for each in sound.damaged):
        raise ValueError("damage that cannot be")
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
        self._damaged: list[Damage] = []
        self._declared_s: float | None = None

    @property
    def sound(self) -> Sound:
        """What is known so far."""
        return Sound(
            tracks=self._tracks,
            remixes=dict(self._remixes),
            damaged=tuple(sorted(self._damaged, key=lambda damage: (damage.start, damage.channels))),
            declared_s=self._declared_s,
        )

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

    def lost(self, number: int, log: DamageLog, n_samples: int) -> None:
        """Enter what of a track of so many samples was lost, after the channels that it became."""
        (channels,) = (track.channels for track in self._tracks if track.number == number)
        is_all = sum(track.state is TrackState.HEARD for track in self._tracks) == 1
        self._damaged += [replace(damage, channels=() if is_all else channels) for damage in log.stretches(n_samples)]
        if log.declared_s is not None and log.declared_s < MAX_DECLARED_S:
            self._declared_s = max(self._declared_s or 0.0, log.declared_s)

    def _change(self, number: int, **changes: Any) -> None:
        self._tracks = tuple(replace(track, **changes) if track.number == number else track for track in self._tracks)
