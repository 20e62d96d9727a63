"""The names of a transcript's channels: as given, else those of the sound tracks that became channels."""

from collections import Counter
from collections.abc import Sequence

from pipelines.core import SoundTrack


def channel_names(given: Sequence[str], tracks: Sequence[SoundTrack]) -> tuple[str, ...]:
    """Return a name for each channel where several tracks were heard, else those that are ``given``.

    A given name goes before that of a track; see `track_name`. Channels of one track, and tracks of one name, are
    numbered.
    """
    heard = [track for track in tracks if track.channels]
    if len(heard) < 2:
        return tuple(given)
    wanted = Counter(track_name(track) for track in heard for _ in track.channels)
    used: Counter[str] = Counter()
    names = [""] * max(len(given), 1 + max(channel for track in heard for channel in track.channels))
    for track in heard:
        name = track_name(track)
        for channel in track.channels:
            used[name] += 1
            names[channel] = f"{name} {used[name]}" if wanted[name] > 1 else name
    for channel, name in enumerate(given):
        names[channel] = name if name.strip() else names[channel]
    return tuple(names)


def track_name(track: SoundTrack) -> str:
    """Return the title of a track and its language tag, its number where it has no title: ``Microphone (eng)``."""
    title = track.title or f"Track {track.number}"
    return f"{title} ({track.language})" if track.language else title
