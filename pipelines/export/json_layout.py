"""The JSON results: ``transcript.json`` and ``minutes.json``, a stable layout for programs.

``transcript.json``::

    version          1; grows when a field changes its meaning or goes
    title            name of the recording as submitted
    external_id      what its submitter calls it ("" where it has no name)
    metadata         {name: value} as its submitter gave them
    duration_s       seconds
    language         main language, ISO 639-1 ("" when unknown)
    languages        [{channel, language, probability, seconds}]: the languages of each channel, for how many seconds
                     of speech, and how surely
    model            {name, sha256, compute_type, device}
    n_channels
    tracks           [{number, codec, n_channels, language, title, duration_s, is_default, state, channels}]: the sound
                     tracks of the recording, see `pipelines.core.SoundTrack`
    speakers         [{label, name, source, evidence: [{segment_ids, quote, start_s, end_s}], profile, similarity}]: how
                     the names are known, where voices were told apart; see `pipelines.core.Speaker`
    text             all segments, one a line
    talk             [{channel, speaker, talk_s, share, silence_s, overlap_s, longest_s, interruptions}]: see
                     `pipelines.transcript.talk_time.SpeakerTalk`
    silence_s        seconds in which nobody talks; what failed is none
    segments         [{id, channel, speaker, start_s, end_s, text, health, avg_logprob, no_speech_prob,
                       compression_ratio, temperature, words: [{text, start_s, end_s, probability}], language,
                       overlap, matches: [{term, heard, at, start_s, end_s}]}]: see `pipelines.core.Segment` and
                       `pipelines.core.TermMatch`
    doubtful_below   probability of a word under which it is more likely wrong than right
    coverage         [{channel, start_s, end_s, health, note}]: tiles [0, duration_s] for each channel
    notes            [{code, text, values: {name: value}}]: what is to be known of the recording, see `pipelines.notes`
    health           one of transcribed, silence (coverage only), suspect, failed (coverage only)

``minutes.json``: version, title, language, writer (``extractive``, ``llm``, ``none`` without words), model, summary,
participants, topics, decisions (``by``: whose voice said so, null where nobody knows), action_items, open_questions,
decisions_recognised (false where no rule knows the language: decisions and action items were not looked for). Topics,
decisions, action items and open questions that are not ``verified`` are in doubt: see `pipelines.minutes.verification`.
Each entry's ``evidence`` holds the ``segment_ids`` of ``transcript.json``, the literal ``quote``, and
``start_s``/``end_s`` of those segments
(null when it names none).

Times are rounded to milliseconds. Numbers that are not finite, which JSON cannot hold, are written as 0.
Both files decode back with `pipelines.codec.decode`, which skips the fields added for other readers.
"""

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from pipelines.core import DOUBTFUL_WORD_BELOW, Minutes, Segment, Transcript
from pipelines.indented_json import indented_json
from pipelines.jobs.reference import Reference
from pipelines.minutes.language.registry import decisions_recognised
from pipelines.transcript.talk_time import silence_s, talk_of

VERSION = 1


def transcript_json(transcript: Transcript, title: str, reference: Reference) -> bytes:
    """Render ``transcript.json``."""
    segments = {segment.id: segment for segment in transcript.segments}
    speakers = [asdict(speaker) for speaker in transcript.speakers]
    for speaker in speakers:
        for evidence in speaker["evidence"]:
            evidence |= _evidence_times(evidence["segment_ids"], segments)
    layout: dict[str, Any] = {
        "version": VERSION,
        "title": title,
        "external_id": reference.external_id,
        "metadata": dict(reference.metadata),
        "duration_s": transcript.duration_s,
        "language": transcript.language,
        "languages": transcript.languages,
        "model": transcript.model,
        "n_channels": transcript.n_channels,
        "tracks": transcript.tracks,
        "notes": [{"code": note.code, "text": note.text, "values": dict(note.values)} for note in transcript.notes],
        "speakers": speakers,
        "text": transcript.text,
        "talk": talk_of(transcript),
        "silence_s": silence_s(transcript),
        "doubtful_below": DOUBTFUL_WORD_BELOW,
    }
    others = (field.name for field in fields(transcript) if field.name not in layout)
    return indented_json(layout | {name: getattr(transcript, name) for name in others})


def minutes_json(transcript: Transcript, minutes: Minutes) -> bytes:
    """Render ``minutes.json``."""
    segments = {segment.id: segment for segment in transcript.segments}
    layout: dict[str, Any] = {"version": VERSION, **asdict(minutes)}
    for kind in ("topics", "decisions", "action_items", "open_questions"):
        for entry in layout[kind]:
            entry["evidence"] |= _evidence_times(entry["evidence"]["segment_ids"], segments)
    layout["decisions_recognised"] = decisions_recognised(minutes)
    return indented_json(layout)


def _evidence_times(segment_ids: tuple[int, ...], segments: Mapping[int, Segment]) -> dict[str, float | None]:
    cited = [segments[i] for i in segment_ids if i in segments]
    return {
        "start_s": min((segment.start_s for segment in cited), default=None),
        "end_s": max((segment.end_s for segment in cited), default=None),
    }
