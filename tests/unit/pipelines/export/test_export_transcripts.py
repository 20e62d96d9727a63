"""transcript.json, minutes.json, transcript.txt, .srt and .vtt, read back by independent readers."""

import json
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from pipelines.codec import decode
from pipelines.core import Minutes, SoundTrack, TrackState, Transcript
from pipelines.export.render import render
from pipelines.text.cleaning import clean_text, cleaned
from tests.support.export_samples import call, hostile, meeting_in_chinese, nothing
from tests.support.subtitle_readers import read_srt, read_vtt


def test_transcript_json_has_the_documented_layout() -> None:
    """Programs rely on these names; a change of them must change the version."""
    layout = json.loads(render("transcript.json", *call()))
    assert list(layout) == [
        "version",
        "title",
        "external_id",
        "metadata",
        "duration_s",
        "language",
        "languages",
        "model",
        "n_channels",
        "tracks",
        "notes",
        "speakers",
        "text",
        "talk",
        "silence_s",
        "doubtful_below",
        "segments",
        "coverage",
    ]
    assert (layout["version"], layout["title"], layout["duration_s"]) == (1, "call-0001.wav", 40.0)
    assert layout["segments"][4] == {
        "id": 4,
        "channel": 1,
        "speaker": "Customer",
        "start_s": 19.0,
        "end_s": 21.0,
        "text": " Thank you, thank you.",
        "health": "suspect",
        "avg_logprob": 0.0,
        "no_speech_prob": 0.0,
        "compression_ratio": 0.0,
        "temperature": 0.0,
        "words": [],
        "language": "",
        "overlap": False,
        "matches": [],
    }
    assert layout["segments"][0]["words"][0]["probability"] == layout["doubtful_below"] == 0.5
    assert layout["coverage"][-1] == {
        "channel": 1,
        "start_s": 30.0,
        "end_s": 40.0,
        "health": "failed",
        "note": "no result",
    }
    assert layout["text"].startswith("Good morning, this is the service desk.\nHello")


def test_sound_tracks_stand_in_the_json() -> None:
    """Each with its names, what became of it and the channels it became; read back they are the same."""
    transcript, minutes, title = call()
    track = SoundTrack(number=2, codec="aac", n_channels=1, title="Desktop", state=TrackState.HEARD, channels=(0,))
    data = render("transcript.json", replace(transcript, tracks=(track,)), minutes, title)
    assert json.loads(data)["tracks"] == [
        {
            "number": 2,
            "codec": "aac",
            "n_channels": 1,
            "language": "",
            "title": "Desktop",
            "duration_s": None,
            "is_default": False,
            "state": "heard",
            "channels": [0],
        }
    ]
    assert decode(Transcript, data).tracks == (track,)


def test_json_results_decode_to_what_was_rendered() -> None:
    """The extra fields for other readers do not get in the way of MeetMemo reading its own results."""
    for transcript, minutes, title in (call(), meeting_in_chinese(), nothing()):
        assert decode(Transcript, render("transcript.json", transcript, minutes, title)) == transcript
        assert decode(Minutes, render("minutes.json", transcript, minutes, title)) == minutes


def test_json_of_hostile_text_is_strict_json() -> None:
    """Numbers that are not finite become 0 and text is clean, so every parser accepts the file and it decodes."""
    transcript, minutes, title = hostile()
    data = render("transcript.json", transcript, minutes, title)
    layout = json.loads(data, parse_constant=lambda name: (_ for _ in ()).throw(AssertionError(name)))
    assert layout["segments"][0]["avg_logprob"] == 0
    assert layout["segments"][0]["text"] == clean_text(transcript.segments[0].text)
    assert decode(Transcript, data).n_channels == 1
    assert decode(Minutes, render("minutes.json", transcript, minutes, title)) == cleaned(minutes)


def test_times_are_rounded_to_milliseconds() -> None:
    """A float's tail tells nobody anything."""
    transcript, _, title = call()
    odd = replace(transcript, segments=(replace(transcript.segments[0], start_s=1 / 3, avg_logprob=-1 / 3),))
    segment = json.loads(render("transcript.json", odd, None, title))["segments"][0]
    assert (segment["start_s"], segment["avg_logprob"]) == (0.333, -0.333333)


def test_minutes_json_times_its_evidence() -> None:
    """Evidence carries the times of its segments; evidence that names no segment has none."""
    layout = json.loads(render("minutes.json", *call()))
    assert layout["decisions"][0]["evidence"] == {
        "segment_ids": [2],
        "quote": "We will send it again at no cost.",
        "start_s": 9.5,
        "end_s": 14.0,
    }
    assert layout["decisions"][1]["evidence"]["start_s"] is None
    assert layout["action_items"][0]["owner"] == "Agent"
    assert layout["topics"][0]["evidence"]["end_s"] == 9.0


def test_text_is_one_segment_a_line() -> None:
    """Speakers are named where known, and what failed is said where it failed."""
    assert render("transcript.txt", *call()).decode().splitlines() == [
        "Agent: Good morning, this is the service desk.",
        "Customer: Hello, my order never came. Can you send it again?",
        "Agent: We will send it again at no cost.",
        "Agent: I will call the courier by Friday.",
        "Customer: Thank you, thank you.",
        "[0:30–0:40 could not be transcribed]",
    ]
    assert (
        render("transcript.txt", *meeting_in_chinese()).decode().splitlines()[0] == "大家早上好，我们先讨论发布计划。"
    )


def test_srt_shows_every_segment() -> None:
    """An independent reader gets the times and the words, with names where the speaker changes."""
    cues = read_srt(render("transcript.srt", *call()))
    assert [" ".join(cue.lines) for cue in cues] == [
        "Agent: Good morning, this is the service desk.",
        "Customer: Hello, my order never came. Can you send it again?",
        "Agent: We will send it again at no cost.",
        "I will call the courier by Friday.",
        "Customer: Thank you, thank you.",
    ]
    assert [(cue.start_ms, cue.end_ms) for cue in cues][:2] == [(0, 4000), (4500, 9000)]


def test_vtt_names_voices() -> None:
    """Speakers are voice spans, not text; a recording without speakers has none."""
    cues = read_vtt(render("transcript.vtt", *call()))
    assert [cue.voice for cue in cues] == ["Agent", "Customer", "Agent", "Agent", "Customer"]
    assert " ".join(cues[0].lines) == "Good morning, this is the service desk."
    assert {cue.voice for cue in read_vtt(render("transcript.vtt", *meeting_in_chinese()))} == {""}


def test_subtitles_of_nothing_are_valid() -> None:
    """An empty SubRip file is empty, an empty WebVTT file is its header."""
    assert read_srt(render("transcript.srt", *nothing())) == []
    assert render("transcript.vtt", *nothing()) == b"WEBVTT\n"


def test_srt_holds_no_commands() -> None:
    """Players would obey tags, position codes and arrows in text; look-alikes are written instead."""
    data = render("transcript.srt", *hostile())
    shown = " ".join(line for cue in read_srt(data) for line in cue.lines)
    assert "<b>" not in shown
    assert "{\\" not in shown
    assert "-->" not in shown
    assert "‹b>bold‹/b>" in shown
    assert "5 & 6" in shown


def test_vtt_keeps_hostile_text_as_text() -> None:
    """After unescaping, a reader sees the very characters that were said."""
    cues = read_vtt(render("transcript.vtt", *hostile()))
    shown = " ".join(line for cue in cues for line in cue.lines)
    assert "<b>bold</b> --> 5 & 6 &amp;" in shown
    assert cues[0].voice.startswith("\ufffdlone\ufffd")


@given(st.text(st.characters(), max_size=80))
def test_subtitles_parse_whatever_was_said(text: str) -> None:
    """No text breaks the structure of SubRip or WebVTT; WebVTT gives back every character but spaces."""
    sample = hostile(text)
    read_srt(render("transcript.srt", *sample))
    shown = "".join(line for cue in read_vtt(render("transcript.vtt", *sample)) for line in cue.lines)
    assert "".join(shown.split()) == "".join(clean_text(text).split())
