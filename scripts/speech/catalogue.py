"""The catalogue of sample recordings: what each file of ``tests/data`` holds and what a transcription of it must do."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from random import Random
from typing import Literal

import numpy as np

from scripts.speech import calls, damage, meeting, meeting_zh, sounds
from scripts.speech.containers import FORMATS, Format, encode_audio, encode_picture, encode_video
from scripts.speech.long_meeting import long_meeting
from scripts.speech.stage import Line, Recording, Role, Stage
from scripts.speech.truth import Truth
from scripts.speech.voices import SAMPLE_RATE, resample

SEED = 2024
LONG_MEETING_VOICES = ("slt", "awb", "kal16", "en-gb", "en-us+f3")

Outcome = Literal["succeeds", "unsupported_format", "no_audio_stream", "empty_audio", "corrupt_audio"]


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A file and what a transcription of it must do; ``speech`` is False where not one word may come out.

    ``truth`` holds the speech that is intact in the file. Its duration is that of the decoded audio; in damaged files,
    the least that can be decoded.
    """

    name: str
    data: bytes
    outcome: Outcome = "succeeds"
    speech: bool = False
    truth: Truth | None = None
    note: str


def _conversations() -> Iterable[Sample]:
    meeting_3 = _perform(meeting.CAST, meeting.SCRIPT)
    yield _spoken("meeting-3min.flac", meeting_3, FORMATS["flac"], "a product meeting of four people, one channel")
    chinese = _perform(meeting_zh.CAST_ZH, meeting_zh.SCRIPT_ZH)
    yield _spoken("meeting-zh.flac", chinese, FORMATS["flac"], "a product meeting of three people, in Chinese")
    call = _perform(calls.CALL_CAST, calls.CALL)
    form = replace(FORMATS["opus"], bit_rate=64_000)
    yield _spoken("call-stereo.opus", call, form, "agent left, customer right, who talk over each other")
    message = _perform(calls.VOICEMAIL_CAST, calls.VOICEMAIL)
    narrow = Recording(pcm=sounds.telephone_band(message.pcm), truth=message.truth)
    form = Format(container="wav", codec="pcm_mulaw", rate=8_000)
    yield _spoken("call-8khz-ulaw.wav", narrow, form, "a message on an answering machine, telephone band")


def _long() -> Iterable[Sample]:
    recording = long_meeting(12, LONG_MEETING_VOICES, Random(SEED))
    yield _spoken("meeting-12min.mp3", recording, FORMATS["mp3"], "a meeting of five people about many topics")


def _spoken(name: str, recording: Recording, form: Format, note: str) -> Sample:
    data = encode_audio(recording.pcm, form)
    return Sample(name=name, data=data, speech=True, truth=recording.truth, note=note)


def _containers() -> Iterable[Sample]:
    """Yield one short message in many containers; they share ``short.truth.json``."""
    short = _perform(calls.MESSAGE_CAST, calls.MESSAGE)

    def sample(name: str, data: bytes, note: str, truth: Truth = short.truth) -> Sample:
        return Sample(name=name, data=data, speech=True, truth=truth, note=note)

    for extension, note in (("mp3", "MP3"), ("m4a", "AAC in MP4"), ("webm", "Opus in WebM, as browsers record")):
        yield sample(f"short.{extension}", encode_audio(short.pcm, FORMATS[extension]), note)
    yield sample("short.mp4", encode_video(short.truth.duration_s, short.pcm), "a video with sound")
    yield sample("wrong-extension.mp3", encode_audio(short.pcm, FORMATS["flac"]), "really a FLAC file")
    left_only = np.concatenate([short.pcm, np.zeros_like(short.pcm)])
    form = replace(FORMATS["flac"], rate=96_000)
    fast = encode_audio(resample(left_only, SAMPLE_RATE, 96_000), form, rate=96_000)
    yield sample(
        "stereo-96khz.flac", fast, "96 kHz, spoken on the left, silent on the right", replace(short.truth, channels=2)
    )
    endless = damage.wav_with_sizes(encode_audio(short.pcm, FORMATS["wav"]), 0xFFFFFFFF)
    yield sample("unfinished.wav", endless, "a recorder never wrote the sizes into the header")


def _without_speech() -> Iterable[Sample]:
    rng = Random(SEED)

    def sample(name: str, data: bytes, note: str) -> Sample:
        return Sample(name=name, data=data, note=note)

    yield sample("silence.flac", encode_audio(sounds.silence(30), FORMATS["flac"]), "30 s of digital silence")
    yield sample("noise.flac", encode_audio(sounds.noise(20, rng), FORMATS["flac"]), "20 s of a ventilator")
    yield sample("music.mp3", encode_audio(sounds.music(15), FORMATS["mp3"]), "15 s of music on hold")
    yield sample("blip.wav", encode_audio(sounds.noise(0.05, rng), FORMATS["wav"]), "50 ms of noise and nothing else")


def _damaged() -> Iterable[Sample]:
    rng = Random(SEED)
    whole = _perform(calls.VOICEMAIL_CAST, calls.VOICEMAIL)
    flac, mp3, m4a = (encode_audio(whole.pcm, FORMATS[extension]) for extension in ("flac", "mp3", "m4a"))
    start = _heard(whole.truth, until=0.55)
    edges = _heard(whole.truth, until=0.3, again_from=0.7)

    def usable(name: str, data: bytes, truth: Truth, note: str) -> Sample:
        return Sample(name=name, data=data, speech=True, truth=truth, note=note)

    def useless(name: str, data: bytes, outcome: Outcome, note: str) -> Sample:
        return Sample(name=name, data=data, outcome=outcome, note=note)

    yield usable("truncated.flac", damage.truncated(flac, 0.6), start, "the copy stopped after 60 % of the bytes")
    yield usable("truncated.m4a", damage.truncated(m4a, 0.6), start, "the same, the index came first")
    yield usable("corrupt-middle.flac", damage.overwritten(flac, 0.45, 0.55, rng), edges, "random bytes in the middle")
    yield usable("corrupt-middle.mp3", damage.overwritten(mp3, 0.45, 0.55, rng), edges, "random bytes in the middle")
    video = damage.truncated(encode_video(4, whole.pcm[:, : 4 * SAMPLE_RATE], index_first=False), 0.6)
    yield useless("no-index.mp4", video, "corrupt_audio", "the recorder died before it wrote the index (moov)")
    body = encode_audio(whole.pcm[:, : 4 * SAMPLE_RATE], Format(container="mp4", codec="flac"))
    body = damage.overwritten(body, (body.index(b"mdat") + 4) / len(body), 1.0, rng)
    yield useless("corrupt-body.m4a", body, "corrupt_audio", "a good index, then random bytes")
    body = damage.overwritten(flac[:20_000], 0.01, 1.0, rng)
    yield useless("corrupt-body.flac", body, "corrupt_audio", "a good header that promises 20 s, then random bytes")
    yield useless("corrupt.mp3", rng.randbytes(20_000), "unsupported_format", "random bytes")
    yield useless("empty.wav", b"", "empty_audio", "no bytes")
    header = damage.wav_with_sizes(encode_audio(sounds.silence(0.1), FORMATS["wav"])[:44], 0)
    yield useless("no-samples.wav", header, "empty_audio", "a header and no samples")


def _disguised() -> Iterable[Sample]:
    def sample(name: str, data: bytes, note: str, outcome: Outcome = "unsupported_format") -> Sample:
        return Sample(name=name, data=data, outcome=outcome, note=note)

    yield sample("video-only.mp4", encode_video(4), "a video without sound", "no_audio_stream")
    yield sample("picture.wav", encode_picture(), "a PNG picture")
    yield sample("concat.wav", damage.CONCAT_SCRIPT, "an ffconcat script that names the neighbouring files")
    yield sample("playlist.mp3", damage.PLAYLIST, "an HLS playlist that names a neighbouring file")
    yield sample("session.wav", damage.SESSION, "a session description that would open a port")


def _perform(cast: dict[str, Role], script: tuple[Line, ...]) -> Recording:
    stage = Stage(cast, Random(SEED))
    for line in script:
        stage.say(line)
    return stage.record()


def _heard(truth: Truth, *, until: float, again_from: float = 1.0) -> Truth:
    """Keep the segments before one share of the duration and after another."""
    end_s, start_s = truth.duration_s * until, truth.duration_s * again_from
    segments = tuple(part for part in truth.segments if part.end_s <= end_s or part.start_s >= start_s)
    return replace(truth, segments=segments, duration_s=round(end_s + truth.duration_s - start_s, 4))


GROUPS: dict[str, Callable[[], Iterable[Sample]]] = {
    "conversations": _conversations,
    "long": _long,
    "containers": _containers,
    "without-speech": _without_speech,
    "damaged": _damaged,
    "disguised": _disguised,
}
"""Every file of ``tests/data``; the same bytes on every call. They raise `SpeechError` without the speech programs."""
