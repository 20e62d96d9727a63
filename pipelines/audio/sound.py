"""`Sound`: what decoding found out about a recording beside its samples.

It is told by the process that decodes, which is not trusted (`pipelines.audio.sandbox_protocol`).
"""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, dataclass, field, replace
from typing import Any

from pipelines.audio.clock.damage import MAX_STRETCHES, TAIL_TOLERANCE_S, DamageLog
from pipelines.audio.mixing import Remix
from pipelines.core import SAMPLE_RATE, Damage, SoundTrack, TrackState
from pipelines.notes import Note, NoteCode
from pipelines.text.cleaning import cleaned

MAX_TITLE_CHARACTERS = 100
MAX_DECLARED_S = 1e9
"""A length beyond is nonsense, and as good as none."""


@dataclass(frozen=True, kw_only=True)
class Sound:
    """What was heard of a recording: its tracks, and where channels were not simply added to one.

    ``remixes`` maps the transcript's channels to their stretches. Of ``n_samples`` that came out those that lie in
    ``damaged`` stretches (by start) are silence for what was lost; stretches behind them were never in the file.
    ``declared_s`` is the recording's length where its container knows it.
    """

    tracks: tuple[SoundTrack, ...] = ()
    remixes: dict[int, tuple[Remix, ...]] = field(default_factory=dict)
    n_samples: int = 0
    damaged: tuple[Damage, ...] = ()
    declared_s: float | None = None

    @property
    def missing_s(self) -> float:
        """Seconds that the recording should go on behind what came out."""
        missing_s = (self.declared_s or 0.0) - self.n_samples / SAMPLE_RATE
        return missing_s if missing_s > TAIL_TOLERANCE_S else 0.0

    @property
    def damaged_s(self) -> float:
        """Seconds in which something was lost, those behind the end included."""
        return sum(end - start for start, end in self._lost()) / SAMPLE_RATE

    @property
    def found_s(self) -> float:
        """Seconds that came out and are not silence for what was lost."""
        return (
            self.n_samples - sum(max(0, min(end, self.n_samples) - start) for start, end in self._lost())
        ) / SAMPLE_RATE

    def _lost(self) -> Iterator[tuple[int, int]]:
        """Yield the stretches in which any channel lost something, apart."""
        reached = 0
        for damage in self.damaged:
            if damage.end > reached:
                yield max(damage.start, reached), damage.end
                reached = damage.end


def sound_notes(sound: Sound, *, chosen: bool) -> tuple[Note, ...]:
    """Return what a recording's owner should know of its sound; nothing of others where the track was ``chosen``."""
    return (*_of_losses(sound), *(() if chosen else _of_tracks(sound.tracks)), *_of_mix(sound.remixes))


def _of_losses(sound: Sound) -> Iterator[Note]:
    inside = [each for each in sound.damaged if each.end <= sound.n_samples or sound.declared_s is None]
    if sound.declared_s is not None and sound.missing_s:
        values = {"declared_s": round(sound.declared_s, 2), "found_s": round(sound.found_s, 2)}
        yield Note(code=NoteCode.SHORTER_THAN_DECLARED, values=values)
    if inside:
        damaged_s = replace(sound, damaged=tuple(inside)).damaged_s
        values = {"damaged_s": max(0.1, round(damaged_s, 1)), "first_s": round(inside[0].start / SAMPLE_RATE, 1)}
        yield Note(code=NoteCode.DAMAGED_AUDIO, values=values)


def _of_tracks(tracks: Sequence[SoundTrack]) -> Iterator[Note]:
    for code, state in (
        (NoteCode.TRACK_UNDECODABLE, TrackState.UNDECODABLE),
        (NoteCode.TRACK_SILENT, TrackState.SILENT),
    ):
        for track in tracks:
            if track.state is state:
                yield Note(code=code, values={"track": _shown(track)})
    if left_out := [track for track in tracks if track.state is TrackState.LEFT_OUT]:
        heard = ", ".join(_shown(track) for track in tracks if track.state is TrackState.HEARD)
        yield Note(
            code=NoteCode.TRACKS_LEFT_OUT,
            values={"n_tracks": len(tracks), "heard": heard, "left_out": ", ".join(map(_shown, left_out))},
        )


def _shown(track: SoundTrack) -> str:
    """Return the number of a track, and what the file calls it."""
    names = ", ".join(filter(None, (track.title, track.language)))
    return f"{track.number} ({names})" if names else str(track.number)


def _of_mix(remixes: Mapping[int, Sequence[Remix]]) -> Iterator[Note]:
    stretches = [stretch for found in remixes.values() for stretch in found]
    if stretches:
        values = {
            "total_s": round(sum(stretch.end_s - stretch.start_s for stretch in stretches), 1),
            "first_s": round(min(stretch.start_s for stretch in stretches), 1),
            "below_db": round(max(stretch.below_db for stretch in stretches)),
        }
        yield Note(code=NoteCode.CHANNELS_REMIXED, values=values)


def sound_bytes(sound: Sound) -> bytes:
    """Return what was heard as JSON, without a library: this is said by a process that loads little."""
    return json.dumps(vars(sound), default=vars).encode()


def read_sound(data: bytes | bytearray) -> Sound:
    """Read what `sound_bytes` wrote, in a process that does not trust it; raises ``ValueError``."""
    from pipelines.codec import decode  # brings pydantic along, which whoever writes it does without

    sound = decode(Sound, bytes(data))
    numbers = [
        *(number for track in sound.tracks for number in (track.duration_s or 0.0, track.n_channels, *track.channels)),
        *(number for stretches in sound.remixes.values() for each in stretches for number in astuple(each)),
    ]
    numbers += [
        sound.declared_s or 0.0,
        sound.n_samples / SAMPLE_RATE,
        *(number for each in sound.damaged for number in each.channels),
    ]
    starts = [each.start for each in sound.damaged]
    if starts != sorted(starts) or len(starts) > MAX_STRETCHES:
        raise ValueError("damage out of order")
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
        self._n_samples = 0
        self._damaged: list[Damage] = []
        self._declared_s: float | None = None

    @property
    def sound(self) -> Sound:
        """What is known so far."""
        return Sound(
            tracks=self._tracks,
            remixes=dict(self._remixes),
            n_samples=self._n_samples,
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
        self._n_samples = max(self._n_samples, n_samples)
        self._damaged += [replace(damage, channels=() if is_all else channels) for damage in log.stretches(n_samples)]
        if log.declared_s is not None and log.declared_s < MAX_DECLARED_S:
            self._declared_s = max(self._declared_s or 0.0, log.declared_s)

    def _change(self, number: int, **changes: Any) -> None:
        self._tracks = tuple(replace(track, **changes) if track.number == number else track for track in self._tracks)
