"""The sound tracks of a recording: which there are, and which of them is heard.

A screen recording has one of the desktop and one of the microphone, a film one for each language, a telephone's video
one that few programs decode. Unless somebody chooses, one track is heard: that which players begin with, unless it
cannot be decoded or holds no sound (`pipelines.audio.decode`).
"""

import re
from collections.abc import Iterable, Sequence
from typing import Any, Literal

import numpy as np

from pipelines.audio.containers.declared import tagged_s
from pipelines.audio.mixing import SILENCE_POWER
from pipelines.audio.pcm import Pcm
from pipelines.audio.sound import MAX_DECLARED_S, MAX_TITLE_CHARACTERS
from pipelines.core import SAMPLE_RATE, SoundTrack, TrackState
from pipelines.errors import NoAudioStream, UnsupportedFormat
from pipelines.text.cleaning import one_line

ALL: Literal["all"] = "all"
"""Every track becomes a channel, or several."""
MAX_TRACKS = 64
"""Tracks that are listed; what comes after them is not looked at."""
MIN_SOUND_S = 0.5
"""A track with less that is louder than `pipelines.audio.mixing.SILENCE_DBFS` is silent."""

_LOOK_SAMPLES = SAMPLE_RATE // 10
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8}){0,3}")
_UNSAID = frozenset({"und", "zxx", "mis"})  # tags that name no language (ISO 639-2)
_MACHINE_NAMES = re.compile(r"handler|media|^soun$|\biso\b", re.IGNORECASE)  # of whoever wrote the file


def list_tracks(container: Any) -> tuple[SoundTrack, ...]:
    """Return the sound tracks of an opened container; none of them is decoded."""
    return tuple(
        SoundTrack(
            number=number,
            codec=stream.codec.canonical_name if stream.codec_context else "",
            n_channels=stream.codec_context.channels if stream.codec_context else 0,
            language=_language(stream.metadata),
            title=_title(stream.metadata),
            duration_s=_duration_s(stream),
            is_default="default" in stream.disposition.name.casefold() if stream.disposition else False,
            state=TrackState.LEFT_OUT if stream.codec_context else TrackState.UNDECODABLE,
        )
        for number, stream in enumerate(container.streams.audio[:MAX_TRACKS], start=1)
    )


def candidates(container: Any, tracks: Sequence[SoundTrack], wanted: str | None) -> list[int]:
    """Return the numbers of the tracks to hear: those that are ``wanted``, else each that may be, the best one first.

    ``wanted`` is a number, `ALL` or None. Raises `NoAudioStream`, `UnsupportedFormat`.
    """
    if not tracks:
        raise NoAudioStream("the recording holds no audio stream")
    if wanted not in (None, ALL):
        number = int(wanted)
        if not 1 <= number <= len(tracks):
            raise NoAudioStream(f"there is no sound track {number}: the recording has {len(tracks)}")
        if tracks[number - 1].state is TrackState.UNDECODABLE:
            raise UnsupportedFormat(f"no decoder for the codec of sound track {number}")
        return [number]
    decodable = [track for track in tracks if track.state is not TrackState.UNDECODABLE]
    if not decodable:
        raise UnsupportedFormat("no decoder for the codec of the audio stream")
    if wanted == ALL:
        return [track.number for track in decodable]
    best = container.streams.best("audio")  # None where all that is known of a track is that it is announced
    index = None if best is None else best.index
    first = next((i for i, stream in enumerate(container.streams.audio, start=1) if stream.index == index), 0)
    order = sorted(decodable, key=lambda track: (track.number != first, not track.is_default, track.number))
    return [track.number for track in order]


def has_sound(blocks: Iterable[Pcm]) -> bool:
    """Return whether any channel is louder than silence for `MIN_SOUND_S`; reads no further than it must."""
    n_loud = 0
    for block in blocks:
        n_whole = block.shape[1] // _LOOK_SAMPLES
        pieces = block[:, : n_whole * _LOOK_SAMPLES].reshape(len(block), n_whole, _LOOK_SAMPLES)
        powers = np.square(pieces, dtype=np.float32).mean(axis=2).max(axis=0, initial=0.0)
        n_loud += int((powers > SILENCE_POWER).sum())
        if n_loud * _LOOK_SAMPLES >= MIN_SOUND_S * SAMPLE_RATE:
            return True
    return False


def _title(metadata: dict[str, str]) -> str:
    handler = metadata.get("handler_name", "")
    named = metadata.get("title") or metadata.get("name") or ("" if _MACHINE_NAMES.search(handler) else handler)
    return one_line(named)[:MAX_TITLE_CHARACTERS].strip()


def _language(metadata: dict[str, str]) -> str:
    tag = metadata.get("language", "")
    return tag if _LANGUAGE.fullmatch(tag) and tag.casefold() not in _UNSAID else ""


def _duration_s(stream: Any) -> float | None:
    """Return how long a track says it is; Matroska says so in a tag."""
    is_said = stream.duration is not None and stream.time_base
    duration_s = float(stream.duration * stream.time_base) if is_said else tagged_s(stream)
    return duration_s if duration_s is not None and 0 <= duration_s < MAX_DECLARED_S else None
