"""`scripts/hear`: what counts as an error, and its tables, on transcripts and recordings made up for this."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest

from cluster.client.http import Client
from pipelines.models.catalogue import BUNDLED_DIR
from scripts.hearing import cli
from scripts.hearing.alignment import Errors, align, words_of
from scripts.hearing.arms import Options, Task
from scripts.hearing.cluster_arm import ClusterArm
from scripts.hearing.corpus import Recording, group_of, load_corpus
from scripts.hearing.heard import Heard, HeardSegment, HeardWord
from scripts.hearing.intervals import outside_s, union
from scripts.hearing.scoring import score
from scripts.hearing.speech import speech_of
from scripts.hearing.worker import load_arm
from tests.support.recordings import RECORDINGS, truth, word_error_rate

MODEL = BUNDLED_DIR / "mini-en"
MEETING: dict[str, Any] = {
    "file": "meeting.wav",
    "language": "en",
    "seconds": 20.0,
    "channels": 1,
    "speakers": 2,
    "text": "Good morning everybody here today. Can we start the meeting now? Yes.",
    "turns": [
        {
            "speaker": "Ann",
            "start": 1.0,
            "end": 7.0,
            "text": "Good morning everybody here today. Can we start the meeting now?",
        },
        {"speaker": "Bob", "start": 9.0, "end": 9.5, "text": "Yes."},
    ],
}
CALL = {
    "file": "call.wav",
    "language": "en",
    "seconds": 10.0,
    "channels": 2,
    "speakers": 2,
    "text": "Hello. Hello, who is it?",
    "turns": [
        {"speaker": "Ann", "channel": 0, "start": 0.0, "end": 1.0, "text": "Hello."},
        {"speaker": "Bob", "channel": 1, "start": 2.0, "end": 4.0, "text": "Hello, who is it?"},
    ],
}


def write_corpus(folder: Path, *entries: dict[str, Any]) -> Path:
    """Write a truth, and a file for each recording that nobody decodes."""
    (folder / "truth.json").write_text(json.dumps(entries))
    for entry in entries:
        (folder / entry["file"]).touch()
    return folder


def one(folder: Path, entry: dict[str, Any]) -> Recording:
    (recording,) = load_corpus(write_corpus(folder, entry))
    return recording


def segment(text: str, start_s: float, end_s: float, channel: int = 0, words: Sequence[HeardWord] = ()) -> HeardSegment:
    return HeardSegment(channel=channel, text=text, start_s=start_s, end_s=end_s, words=tuple(words))


def heard(*segments: HeardSegment) -> Heard:
    return Heard(segments=segments)


def test_words_are_those_of_whispers_paper() -> None:
    """Case, punctuation, numbers, spelling and filler words do not count; Chinese script does not, either."""
    assert words_of("Uh, TWENTY-FIVE colours, aren't they?", "en") == words_of("25 colors are not they", "en")
    assert words_of("Vår husläkare, ja!", "sv") == ["vår", "husläkare", "ja"]
    assert words_of("廣州市，房地產", "zh") == list("广州市房地产")
    assert words_of("判断。する", "ja") == list("判断する")


def test_errors_are_told_apart() -> None:
    """One word in another's place, one left out, one put in."""
    said = words_of("we begin at noon on monday morning", "en")
    found = align(said, words_of("we start at noon monday morning then", "en"))
    assert found.errors == Errors(n_words=7, n_substituted=1, n_deleted=1, n_inserted=1)
    assert found.errors.rate == pytest.approx(3 / 7)
    assert (found.hits[0], found.deleted) == (0, frozenset({4}))
    assert align([], ["thanks"]).errors == Errors(n_inserted=1)
    assert align(["thanks"], []).errors == Errors(n_words=1, n_deleted=1)


def test_time_outside() -> None:
    """Overlapping text counts once, speech is widened by the margin."""
    assert union([(3, 4), (1, 2), (2, 2.5), (5, 5)]) == [(1, 2.5), (3, 4)]
    assert outside_s([(0, 4), (3, 6)], [(1, 2), (2.5, 5)]) == pytest.approx(1 + 0.5 + 1)
    assert outside_s([(0, 10)], [(4, 5)], margin_s=1) == pytest.approx(7)
    assert outside_s([(0, 10)], []) == 10


def test_groups_follow_from_name_and_language() -> None:
    """Meetings and calls by their names, the rest by language, unless the truth says better."""
    names = ("meeting_ami_1.flac", "phone_a.flac", "en_libri.flac", "ja_cv.flac", "de_cv.flac")
    languages = ("en", "en", "en", "ja", "de")
    groups = [group_of(name, language, split=False) for name, language in zip(names, languages, strict=True)]
    assert groups == ["meetings", "phone", "English", "zh, ja", "other languages"]
    assert group_of("en_x.wav", "en", split=True) == "phone"


def test_a_truth_is_read(tmp_path: Path) -> None:
    """Turns give sentences and times; turns without times give sentences alone; a missing recording is an error."""
    recording = one(tmp_path, MEETING)
    (channel,) = recording.channels
    assert (recording.group, recording.split) == ("meetings", False)
    assert channel.sentences == ("Good morning everybody here today.", "Can we start the meeting now?", "Yes.")
    assert [turn.start_s for turn in channel.turns] == [1.0, 9.0]
    untimed = {**MEETING, "turns": [{**turn, "start": None} for turn in MEETING["turns"]], "group": "mine"}
    recording = one(tmp_path, untimed)
    assert (recording.group, recording.channels[0].turns, len(recording.channels[0].sentences)) == ("mine", (), 3)
    assert one(tmp_path, {**MEETING, "turns": None, "text": "你好。再见。"}).channels[0].sentences == (
        "你好。",
        "再见。",
    )
    (tmp_path / "meeting.wav").unlink()
    with pytest.raises(FileNotFoundError, match=r"meeting\.wav"):
        load_corpus(tmp_path)


def test_a_sentence_that_was_left_out_is_named(tmp_path: Path) -> None:
    """A sentence that is missing from the middle counts; a short one, or one that was misheard, does not."""
    recording = one(tmp_path, MEETING)
    speech = speech_of(recording)
    gone = score(recording, heard(segment("Good morning everybody here today.", 1, 3)), speech)
    assert gone.left_out == ("Can we start the meeting now?",)
    assert (gone.n_sentences, gone.errors.n_deleted) == (2, 7)
    misheard = score(
        recording, heard(segment("God mourning every body here today can we star the eating now yes", 1, 9)), speech
    )
    assert misheard.left_out == ()
    nothing = score(recording, Heard(segments=(), failure="failed: corrupt_audio"), speech)
    assert (len(nothing.left_out), nothing.errors.rate, nothing.failure) == (2, 1.0, "failed: corrupt_audio")


def test_text_in_silence_is_counted_in_seconds(tmp_path: Path) -> None:
    """By the words where they have times, else by the segments; half a second around speech is no fault."""
    recording = one(tmp_path, MEETING)
    speech = speech_of(recording)
    assert speech == [[(1.0, 7.0), (9.0, 9.5)]]
    assert score(recording, heard(segment("Good morning", 0.6, 7.4)), speech).silence_s == 0
    long = segment("Good morning yes", 1, 20)
    assert score(recording, heard(long), speech).silence_s == pytest.approx(1 + 10)
    words = [HeardWord(text=" Good", start_s=1, end_s=2), HeardWord(text=" yes", start_s=9, end_s=9.4)]
    assert score(recording, heard(segment(long.text, 1, 20, words=words)), speech).silence_s == 0


def test_times_are_compared_where_the_word_was_heard(tmp_path: Path) -> None:
    """A segment tells its first word's start and its last one's end, a word its own; else nothing is known."""
    recording = one(tmp_path, MEETING)
    speech = speech_of(recording)
    segments = (
        segment("Good morning everybody", 1.2, 3),
        segment("here today. Can we start the meeting now? Yes.", 3, 9.9),
    )
    by_segment = score(recording, heard(*segments), speech)
    assert by_segment.start_errors_s == pytest.approx([0.2])
    assert by_segment.end_errors_s == pytest.approx([0.4])
    yes = segment("Yes.", 8.0, 9.6, words=[HeardWord(text=" Yes.", start_s=9.1, end_s=9.6)])
    by_word = score(recording, heard(yes), speech)
    assert by_word.start_errors_s == pytest.approx([0.1])
    assert by_word.end_errors_s == pytest.approx([0.1])
    timed = {
        **MEETING,
        "words": [{"text": "everybody", "start": 2.0, "end": 2.5}, {"text": "here", "start": 2.5, "end": 3}],
    }
    by_true_word = score(one(tmp_path, timed), heard(*segments), speech)
    assert by_true_word.start_errors_s == pytest.approx([0.5])
    assert by_true_word.end_errors_s == pytest.approx([0.5])


def test_channels_are_compared_each_on_its_own(tmp_path: Path) -> None:
    """What was heard on the wrong channel is wrong on both."""
    recording = one(tmp_path, CALL)
    speech = speech_of(recording)
    assert (recording.split, recording.group) == (True, "phone")
    right = (segment("Hello, who is it?", 2, 4, channel=1), segment("Hello.", 0, 1, channel=0))
    assert score(recording, heard(*right), speech).errors == Errors(n_words=5)
    wrong = score(recording, heard(segment("Hello. Hello, who is it?", 0, 4, channel=0)), speech)
    assert wrong.errors == Errors(n_words=5, n_deleted=4, n_inserted=4)
    assert wrong.silence_s == pytest.approx(2.5)
    assert wrong.left_out == ("Hello, who is it?",)


def test_silero_tells_speech_where_the_truth_does_not(tmp_path: Path) -> None:
    """Without times of turns somebody speaks where Silero hears it, and nobody in the silence."""
    said = truth("short.mp3")
    (tmp_path / "truth.json").write_text(
        json.dumps([{**MEETING, "file": str(RECORDINGS / "short.mp3"), "turns": None, "text": said.text}])
    )
    (recording,) = load_corpus(tmp_path)
    (speech,) = speech_of(recording)
    assert speech
    assert outside_s(speech, [(part.start_s, part.end_s) for part in said.segments], 0.3) == 0


@pytest.mark.parametrize("arm", ["engine", "sequential-vad", "batched-2"])
def test_arms_hear_a_recording(arm: str) -> None:
    """Each hears a sample with the bundled model, with word times where they are asked for."""
    task = Task(path=str(RECORDINGS / "short.mp3"), language="en")
    (found,) = load_arm(arm, MODEL, 1).hear([task], Options(word_times=arm == "engine"))
    text = " ".join(part.text for part in found.segments)
    assert word_error_rate(truth("short.mp3").text, text) < 0.5
    assert all(bool(part.words) == (arm == "engine") for part in found.segments)
    assert Heard.from_dict(json.loads(json.dumps(found.as_dict()))) == found


def test_engine_hears_channels_apart() -> None:
    """A call's segments tell their channel."""
    task = Task(path=str(RECORDINGS / "call-stereo.opus"), language="en", split=True)
    (found,) = load_arm("engine", MODEL, 1).hear([task], Options())
    said = truth("call-stereo.opus")
    for channel in (0, 1):
        text = " ".join(part.text for part in found.on(channel))
        assert word_error_rate(said.channel_text(channel), text) < word_error_rate(said.channel_text(1 - channel), text)


def test_unknown_arms_are_refused() -> None:
    """A mistyped arm is no sequential one."""
    with pytest.raises(ValueError, match="no arm 'sequental'"):
        load_arm("sequental", MODEL, 1)


class Endpoint:
    """MeetMemo's API as far as the arm asks it: a job runs when it is looked at once; ``bad.wav`` is refused."""

    def __init__(self) -> None:
        self.options: list[dict[str, str]] = []

    def __call__(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST":
            self.options.append(dict(request.url.params))
            if request.headers["x-filename"] == "bad.wav":
                return httpx.Response(400, json={"detail": "not audio", "reason": "unsupported_format"})
            return httpx.Response(202, json={"id": request.headers["x-filename"], "state": "queued"})
        name = request.url.path.rpartition("/")[2]
        if name == "transcript":
            fields = {
                "channel": 0,
                "start_s": 0.0,
                "end_s": 1.0,
                "text": "Hello.",
                "words": [],
                "health": "transcribed",
            }
            return httpx.Response(200, json={"segments": [fields], "language": "en"})
        if name == "silent.wav":
            return httpx.Response(200, json={"id": name, "state": "failed", "reason": "no_speech", "detail": "silence"})
        return httpx.Response(
            200, json={"id": name, "state": "succeeded", "results": {"transcript.json": f"/v1/jobs/{name}/transcript"}}
        )


def test_cluster_is_asked_over_http(tmp_path: Path) -> None:
    """Language, beams and channels are those of the task; what fails or is refused is told, not raised."""
    endpoint = Endpoint()
    arm = ClusterArm(lambda: Client("http://test", httpx.MockTransport(endpoint)), poll_s=0)
    tasks = [
        Task(path=str(tmp_path / name), language="de", split=name == "call.wav")
        for name in ("call.wav", "bad.wav", "silent.wav")
    ]
    for task in tasks:
        Path(task.path).write_bytes(b"sound")
    call, bad, silent = arm.hear(tasks, Options(beam=5, word_times=True))
    assert call == heard(segment("Hello.", 0.0, 1.0))
    assert (bad.failure, silent.failure) == ("not audio", "failed: no_speech silence")
    assert endpoint.options[0] | {"channels": "split"} == {
        "language": "de",
        "channels": "split",
        "beam_size": "5",
        "word_timestamps": "true",
        "minutes": "none",
        "reuse": "false",
    }
    assert sorted(options["channels"] for options in endpoint.options) == ["mix", "mix", "split"]


def test_tables_and_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Both tables, and a file with everything that was heard; of a cluster elsewhere the processor time is unknown."""
    write_corpus(tmp_path, MEETING, CALL)
    asked = []

    def ask(arm: str, setup: cli.Setup, options: Sequence[Options]) -> list[cli.Answer]:
        asked.append((arm, setup, list(options)))
        meeting = heard(segment("Good morning everybody here today.", 1, 3))
        call = heard(segment("Hello.", 0, 1), segment("Hello, who is it?", 2, 4, channel=1))
        return [{"heard": [meeting.as_dict(), call.as_dict()], "cpu_s": 12.3, "wall_s": 5.0} for _ in options]

    out = tmp_path / "out"
    cli.main(
        [
            *("--data", str(tmp_path), "--model", str(MODEL), "--arms", "cluster", "engine", "--beam", "1", "5"),
            *("--url", "http://127.0.0.1:1", "--out", str(out), "--cores", "1"),
        ],
        ask,
    )
    assert [(arm, [one.beam for one in options]) for arm, _, options in asked] == [
        ("cluster", [1, 5]),
        ("engine", [1, 5]),
    ]
    assert asked[0][1].url == "http://127.0.0.1:1"
    assert [(task.language, task.split) for task in asked[0][1].tasks] == [("en", False), ("en", True)]
    text = (out / "hear.md").read_text()
    assert text in capsys.readouterr().out
    assert "| cluster | 5 | 58.3 | 0.0 | – |" in text
    assert "| engine | 1 | 58.3 | 0.0 | 12 |" in text
    record = json.loads((out / "hear.json").read_text())
    assert {"date", "machine", "command", "model"} <= set(record)
    assert len(record["runs"]) == 4
    meeting = record["runs"][0]["recordings"][0]
    assert (meeting["file"], meeting["left_out"]) == ("meeting.wav", ["Can we start the meeting now?"])
    assert meeting["segments"][0]["text"] == "Good morning everybody here today."
    assert record["runs"][0]["groups"]["meetings"]["n_words"] == 12


def test_a_running_cluster_needs_no_weights_here(tmp_path: Path) -> None:
    """Nothing is fetched for an arm that decodes elsewhere."""
    models = []

    def ask(arm: str, setup: cli.Setup, options: Sequence[Options]) -> list[cli.Answer]:
        models.append(setup.model)
        return [{"heard": [Heard(segments=()).as_dict()], "cpu_s": 0.0, "wall_s": 1.0}]

    write_corpus(tmp_path, MEETING)
    cli.main(["--data", str(tmp_path), "--model", "base", "--arms", "cluster", "--url", "http://127.0.0.1:1"], ask)
    assert models == [Path()]


def test_an_arm_runs_in_a_process_of_its_own(tmp_path: Path) -> None:
    """The whole command on one sample: loaded, heard twice (once to warm up), measured, scored."""
    said = truth("short.mp3")
    entry = {**MEETING, "file": str(RECORDINGS / "short.mp3"), "turns": None, "text": said.text, "group": "English"}
    (tmp_path / "truth.json").write_text(json.dumps([entry]))
    out = tmp_path / "out"
    arguments = [
        "--data",
        str(tmp_path),
        "--model",
        "bundled",
        "--arms",
        "sequential",
        "--cores",
        "1",
        "--out",
        str(out),
    ]
    cli.main(arguments)
    (run,) = json.loads((out / "hear.json").read_text())["runs"]
    assert run["cpu_s"] > 0
    assert run["groups"]["English"]["rate"] < 0.5
    assert run["recordings"][0]["segments"]
