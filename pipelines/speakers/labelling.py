"""Name the speakers of a transcript by the voices that were told apart: ``Speaker 1``, ``Speaker 2``. Pure."""

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pipelines.core import NameSource, Segment, Speaker, Transcript
from pipelines.speakers.attribution import SpokenSegment, split_segments
from pipelines.speakers.voices import Diarization, RecognisedVoice, SpeakerTurn

Voice = tuple[int, int | None]
"""A channel, and the number that one of its speakers has there."""

_NUMBERED = re.compile(r"Speaker ([1-9]\d*)")


def with_speakers(
    transcript: Transcript, diarization: Diarization, *, names: Sequence[str] = (), with_words: bool
) -> Transcript:
    """Part segments where the voice changes, and name them by their speakers; ``with_words``: they keep their words.

    Speakers count from 1 over all channels that were told apart, in the order in which they are first heard. A part
    in which nobody was heard goes with the one before it. Where the recording has several channels, and each of them
    one voice at most, the channels are the speakers and keep their names; a channel of one voice keeps the one that it
    has in ``names`` in any case. Who was recognised stands in ``speakers``, by label. Segments should have words: one
    without stays whole.
    """
    turns = {channel.channel: channel.turns for channel in diarization.channels}
    parts = [part for channel in range(transcript.n_channels) for part in _parts(transcript, channel, turns)]
    parts.sort(key=lambda part: (part.segment.start_s, part.segment.channel))
    heard = [(part.segment.channel, part.speaker) for part in parts if part.speaker is not None]
    voices: list[Voice] = list(dict.fromkeys(heard))
    n_voices = Counter(channel for channel, _ in voices)
    anew = transcript.n_channels == 1 or len(voices) > len(n_voices)
    named = {channel for channel, name in enumerate(names) if name.strip() and n_voices[channel] == 1}
    numbered = [voice for voice in voices if anew and voice[0] not in named]
    numbers = {voice: i for i, voice in enumerate(numbered, start=1)}
    segments = tuple(_named(part, i, numbers, with_words=with_words) for i, part in enumerate(parts))
    labels = {
        (part.segment.channel, part.speaker): segment.speaker
        for part, segment in zip(parts, segments, strict=True)
        if part.segment.channel not in named
    }
    return replace(transcript, segments=segments, speakers=tuple(_known(diarization.recognised, labels)))


def speaker_name(number: int) -> str:
    """Return the name of a speaker who has none; `pipelines.export.labels.Labels.speaker` translates it."""
    return f"Speaker {number}"


def number_of(name: str) -> int:
    """Return the number of a speaker whom `speaker_name` named so; 0 for any other name."""
    match = _NUMBERED.fullmatch(name)
    return int(match[1]) if match else 0


def _known(recognised: Sequence[RecognisedVoice], labels: Mapping[Voice, str]) -> Iterator[Speaker]:
    for voice in recognised:
        if label := labels.get((voice.channel, voice.speaker)):
            yield Speaker(
                label=label,
                name=voice.name,
                source=NameSource.PROFILE if voice.profile else NameSource.REFERENCE,
                profile=voice.profile,
                similarity=voice.similarity,
            )


def _parts(
    transcript: Transcript, channel: int, turns: Mapping[int, tuple[SpeakerTurn, ...]]
) -> Iterator[SpokenSegment]:
    own = [segment for segment in transcript.segments if segment.channel == channel]
    if channel not in turns:
        yield from (SpokenSegment(segment=segment, speaker=None) for segment in own)
        return
    parts = split_segments(own, turns[channel])
    speaker = next((part.speaker for part in parts if part.speaker is not None), None)
    for part in parts:
        speaker = speaker if part.speaker is None else part.speaker
        yield replace(part, speaker=speaker)


def _named(part: SpokenSegment, number: int, numbers: Mapping[Voice, int], *, with_words: bool) -> Segment:
    segment = part.segment
    voice = numbers.get((segment.channel, part.speaker))
    return replace(
        segment,
        id=number,
        speaker=speaker_name(voice) if voice else segment.speaker,
        text=segment.text.strip(),
        words=segment.words if with_words else (),
        overlap=bool(part.overlaps) and 2 * sum(part.overlaps) > len(part.overlaps),
    )
