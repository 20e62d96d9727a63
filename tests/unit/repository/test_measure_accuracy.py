"""`scripts/measure-accuracy`: clips without speech, seams and times are made and counted as its tables say."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import numpy as np
import pytest

from pipelines.core import SAMPLE_RATE
from scripts.accuracy import cli, cuts, hallucination, seams, times
from scripts.accuracy.clips import RECORDED, Clip, plan, recorded, render, write_wav
from scripts.accuracy.noises import KINDS
from scripts.accuracy.stretches import Stretch, stretches_of
from scripts.accuracy.timed_voices import VOICES, recording, speak_timed, timed_words
from scripts.hearing.arms import Options
from scripts.hearing.cli import Answer, Setup
from scripts.hearing.corpus import Recording, TimedText, TrueChannel
from scripts.hearing.heard import Heard, HeardSegment, HeardWord
from scripts.speech.truth import TrueSegment
from scripts.speech.voices import SpeechError

needs_flite = pytest.mark.skipif(not shutil.which("flite"), reason="flite is not installed")
CLIP = Clip(kind="fan", seconds=10.0, level_dbfs=-20.0, seed=3)
SAID = "we begin at noon on monday morning"


def segment(text: str, start_s: float, end_s: float, words: Sequence[HeardWord] = (), channel: int = 0) -> HeardSegment:
    return HeardSegment(channel=channel, text=text, start_s=start_s, end_s=end_s, words=tuple(words))


def word(text: str, start_s: float, end_s: float) -> HeardWord:
    return HeardWord(text=text, start_s=start_s, end_s=end_s)


def stretch(text: str = SAID, seconds: float = 10.0) -> Stretch:
    return Stretch(
        source="voices",
        text=text,
        language="en",
        speech=((0.5, seconds - 0.5),),
        pcm=np.full(round(seconds * SAMPLE_RATE), 100, np.int16),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_every_sound_is_made(kind: str) -> None:
    """Of the length that is asked for, at the level that is asked for, and alike for the same seed."""
    clip = replace(CLIP, kind=kind, seconds=5.0)
    pcm = render(clip)
    assert pcm.dtype == np.int16
    assert pcm.shape == (5 * SAMPLE_RATE,)
    assert np.abs(pcm.astype(int)).max() == pytest.approx(3277, abs=3)
    assert np.array_equal(pcm, render(clip))


def test_clips_are_planned_by_seed() -> None:
    """All kinds, 5 to 60 s, -60 to -6 dBFS, some through a telephone; a longer plan begins like a shorter one."""
    clips = plan(300, 1)
    assert {clip.kind for clip in clips} == set(KINDS)
    assert all(5 <= clip.seconds <= 60 and -60 <= clip.level_dbfs <= -6 for clip in clips)
    assert 60 < sum(clip.telephone for clip in clips) < 120
    assert plan(20, 1) == clips[:20] != plan(20, 2)


def test_a_telephone_takes_the_low_and_the_high() -> None:
    """What is left of white sound lies in the telephone's band."""
    spectrum = np.abs(np.fft.rfft(render(replace(CLIP, kind="crackle", telephone=True)).astype(float)))
    hertz = np.fft.rfftfreq(round(CLIP.seconds * SAMPLE_RATE), 1 / SAMPLE_RATE)
    assert spectrum[hertz > 3500].sum() < 0.02 * spectrum.sum()


def test_recordings_without_speech_are_found_by_name(tmp_path: Path) -> None:
    """Only those that are called so."""
    for name in ("none_street.wav", "en_street.wav"):
        write_wav(tmp_path / name, render(CLIP))
    (clip,) = recorded(tmp_path)
    assert (clip.kind, Path(clip.path).name) == (RECORDED, "none_street.wav")
    assert clip.seconds == pytest.approx(10.0)


def test_invented_text_is_counted() -> None:
    """Punctuation alone is no word; seconds with text count once; a failure is no silence."""
    silent = hallucination.invented_in(CLIP, Heard(segments=(segment(" ...", 0, 5),)))
    assert (silent.has_words, silent.text_s) == (False, 0)
    invented = hallucination.invented_in(CLIP, Heard(segments=(segment(" Thank you.", 0, 5), segment(" You", 4, 6))))
    assert (invented.has_words, invented.text, invented.text_s) == (True, "Thank you. You", 6)
    assert hallucination.invented_in(CLIP, Heard(segments=(), failure="failed")).has_words


def test_hallucination_is_reported_by_arm_and_kind(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Each arm hears the same clips; the tables and the JSON name those with words."""
    asked: list[Setup] = []

    def ask(arm: str, setup: Setup, options: Sequence[Options]) -> list[Answer]:
        asked.append(setup)
        assert all(Path(task.path).stat().st_size > 5 * SAMPLE_RATE for task in setup.tasks)
        heard = [Heard(segments=()) for _ in setup.tasks]
        if arm == "sequential":
            heard[1] = Heard(segments=(segment(" Thank you.", 0, 2),))
        return [{"heard": [one.as_dict() for one in heard], "cpu_s": 7.0, "wall_s": 1.0}]

    cli.main(
        [
            *("hallucination", "--clips", "4", "--model", str(tmp_path), "--cores", "1"),
            *("--arms", "engine", "sequential", "--out", str(tmp_path / "out")),
        ],
        ask,
    )
    text = (tmp_path / "out" / "hallucination.md").read_text()
    assert text in capsys.readouterr().out
    assert "| engine | 0 | 0.0 % | 0.0 | 7 |" in text
    assert "| sequential | 1 | 25.0 % | 2.0 | 7 |" in text
    kind = plan(4, 1)[1].kind
    assert f"| {kind} | 1 | 0 | 1 |" in text
    details = json.loads((tmp_path / "out" / "hallucination.json").read_text())["hallucination"]
    assert [(one["arm"], [clip["text"] for clip in one["with_words"]]) for one in details] == [
        ("engine", []),
        ("sequential", ["Thank you."]),
    ]
    assert asked[0].tasks == asked[1].tasks


def test_stretches_begin_and_end_between_sentences() -> None:
    """Ten seconds or more, with the words of whole sentences, and speech where they are."""
    sentences = [
        TrueSegment(
            channel=0, speaker="Ann", voice="slt", start_s=4.0 * i + 1, end_s=4.0 * i + 4, text=f"Sentence {i}."
        )
        for i in range(30)
    ]
    pcm = np.ones(125 * SAMPLE_RATE, np.int16)
    found = list(stretches_of(pcm, sentences, Random(1)))
    assert len(found) > 5
    for one in found:
        assert 10 <= one.seconds <= 25
        assert one.text.count(".") == len(one.speech)
        assert one.speech[0][0] <= 0.6
        assert one.speech[-1][1] == pytest.approx(one.seconds, abs=0.001)


def test_cuts_lie_in_speech() -> None:
    """Whole seconds, none twice, none in a pause, none so early that the rest would need another cut."""
    one = replace(stretch(seconds=20.0), speech=((0.0, 13.5), (15.5, 20.0)))
    assert one.cuts_s(9, Random(1)) == [13, 16, 17, 18]
    assert len(one.cuts_s(2, Random(1))) == 2


def test_rows_part_where_they_are_cut() -> None:
    """At the place that is given, or where the Segmenter finds the quietest one; nothing is left out or doubled."""
    one = stretch()
    rng = np.random.default_rng(1)
    loud = rng.normal(0, 3000, len(one.pcm))
    loud[round(5.5 * SAMPLE_RATE) : round(5.6 * SAMPLE_RATE)] = 0
    one = replace(one, pcm=loud.astype(np.int16))
    draft = seams.cut_at(one, [7 * SAMPLE_RATE])
    assert [len(draft.row(chunk)) for chunk in draft.chunks] == [7 * SAMPLE_RATE, 3 * SAMPLE_RATE]
    pieces = [piece for draft in seams.cut_by_segmenter(one, 7) for chunk in draft.chunks for piece in chunk.pieces]
    assert (len(pieces), pieces[0].start, pieces[1].end) == (2, 0, len(one.pcm))
    assert 5.5 <= pieces[0].end / SAMPLE_RATE <= 5.6
    assert pieces[0].end == pieces[1].start


def test_a_cut_inside_a_word_is_told() -> None:
    """Not one in a pause, nor one at the edge of a word."""
    words = [TimedText(text="supplier", start_s=1.0, end_s=1.5), TimedText(text="list", start_s=1.5, end_s=1.9)]
    found = [cuts.word_at(at_s, words) for at_s in (0.9, 1.01, 1.2, 1.49, 1.51, 1.7, 2.0)]
    assert found == ["", "", "supplier", "", "", "list", ""]


TIMED = [(f" {text}", float(i), i + 0.8) for i, text in enumerate(SAID.split())]


def test_words_near_a_seam_are_found() -> None:
    """Those that end or begin within a second of it; where nothing was heard, all."""
    assert seams.near(stretch(), TIMED, 3.4) == (2, 5)
    assert seams.near(stretch(), TIMED, 3.8) == (3, 5)
    assert seams.near(stretch(), [], 3.4) == (0, 7)


@pytest.mark.parametrize(
    ("parted", "lost", "doubled", "changed"),
    [
        ("We begin at noon on Monday morning.", 0, 0, 0),
        ("We begin at on Monday morning.", 1, 0, 0),
        ("We begin at noon noon on Monday morning.", 0, 1, 0),
        ("We begin at new on Monday morning.", 0, 0, 1),
        ("You begin at noon on Monday.", 0, 0, 0),
    ],
)
def test_harm_at_a_seam_is_counted(parted: str, lost: int, doubled: int, changed: int) -> None:
    """Near the seam alone, against what was heard in the whole."""
    seam = seams.compared("at random", stretch(), 3.4, TIMED, SAID, parted)
    assert (seam.n_words, seam.lost, seam.doubled, seam.changed) == (3, lost, doubled, changed)


def test_what_was_wrong_in_the_whole_is_no_harm() -> None:
    """Words that were lost or put in without a cut do not count again."""
    whole = "we begin at very on monday morning"
    seam = seams.compared("at random", stretch(), 3.4, TIMED, whole, "we begin at on monday morning")
    assert (seam.n_words, seam.lost, seam.doubled, seam.changed) == (2, 0, 0, 0)


def test_seams_are_reported_by_way_and_speech() -> None:
    """A row for each; a cut does no harm when no word was lost, doubled or changed."""
    good = seams.compared("at random", stretch(), 3.4, TIMED, SAID, SAID)
    bad = replace(good, lost=1, doubled=2)
    text = seams.tables([good, good, bad, replace(bad, way="sequential", source="people")])
    assert "| at random | voices | 3 | 9 | 1 | 2 | 0 | 66.7 % |" in text
    assert "| sequential | people | 1 | 3 | 1 | 2 | 0 | 0.0 % |" in text


def test_phones_make_words() -> None:
    """Pauses belong to no word; a sentence whose phones do not add up is refused."""
    phones = [("pau", 0.2), ("dh", 0.3), ("ax", 0.4), ("pau", 0.9), ("k", 1.0), ("ae", 1.1), ("t", 1.3), ("pau", 1.5)]
    assert timed_words(["The,", "cat"], [2, 3], phones) == [
        TimedText(text="The,", start_s=0.2, end_s=0.4),
        TimedText(text="cat", start_s=0.9, end_s=1.3),
    ]
    with pytest.raises(SpeechError, match="5 phones for the 6"):
        timed_words(["The", "cat"], [2, 4], phones)


@needs_flite
def test_a_voice_tells_its_words_times() -> None:
    """Sound is where the words are: the pause at the comma is silent."""
    pcm, words = speak_timed("Yes, I agree.", VOICES[0])
    assert [one.text for one in words] == ["Yes,", "I", "agree."]
    level = np.abs(pcm.astype(float))
    first, second = (round(at * SAMPLE_RATE) for at in (words[0].end_s, words[1].start_s))
    assert level[first + 800 : second - 800].mean() < 0.1 * level[second : second + 1600].mean()


@needs_flite
def test_a_recording_has_its_words_and_sentences() -> None:
    """In order, within the recording, sentences lasting from their first word to their last."""
    made = recording(3, Random(1))
    edges = [edge for one in made.words for edge in (one.start_s, one.end_s)]
    assert edges == sorted(edges)
    assert edges[-1] < len(made.pcm) / SAMPLE_RATE
    assert " ".join(one.text for one in made.words) == " ".join(one.text for one in made.sentences)
    assert {one.start_s for one in made.sentences} <= {one.start_s for one in made.words}


def true_channel(*words: tuple[str, float, float]) -> TrueChannel:
    timed = tuple(TimedText(text=text, start_s=start_s, end_s=end_s) for text, start_s, end_s in words)
    text = " ".join(one.text for one in timed)
    return TrueChannel(text=text, sentences=(text,), words=timed)


def test_times_are_compared_word_by_word_and_segment_by_segment() -> None:
    """What was heard wrongly has no times; heard minus true."""
    said = true_channel(("Good", 1.0, 1.3), ("morning", 1.3, 1.8), ("Ann", 4.0, 4.4))
    words = [word(" Good", 1.1, 1.3), word(" morning", 1.3, 1.7), word(" Dan.", 4.0, 4.5)]
    found = times.errors_of(said, [segment(" Good morning Dan.", 1.1, 4.5, words)], "en")
    assert found.word_starts_s == pytest.approx([0.1, 0.0])
    assert found.word_ends_s == pytest.approx([0.0, -0.1])
    assert found.segment_starts_s == pytest.approx([0.1])
    assert found.segment_ends_s == ()
    assert found.silences_s == pytest.approx([2.2])
    by_segment = times.errors_of(said, [segment(" Good morning", 0.5, 1.8), segment(" Ann", 4.0, 5.4)], "en")
    assert by_segment.word_starts_s == ()
    assert by_segment.segment_starts_s == pytest.approx([-0.5, 0.0])
    assert by_segment.segment_ends_s == pytest.approx([0.0, 1.0])
    assert by_segment.silences_s == pytest.approx([0.5, 1.0])


def test_a_segment_in_silence_is_silence() -> None:
    """All of it."""
    assert times.longest_silence_s(segment(" you", 7.0, 9.0), [(1.0, 2.0), (9.5, 10.0)]) == 2.0


def call() -> Recording:
    left = TrueChannel(text="hello", sentences=("hello",), turns=(TimedText(text="hello", start_s=1, end_s=3),))
    right = TrueChannel(text="yes", sentences=("yes",), turns=(TimedText(text="yes", start_s=2, end_s=6),))
    return Recording(path=Path(times.CALL), language="en", group="call", duration_s=8.0, channels=(left, right))


def test_talk_is_counted_like_the_product_counts_it() -> None:
    """By channel, and what both talk at once; of the truth as of what was heard."""
    assert times.true_talk(call()) == times.Talk(talk_s=(2, 4), overlap_s=1)
    heard = Heard(segments=(segment("hello", 1, 2.5), segment("yes", 2, 6, channel=1)))
    run = times.run_of("engine", False, [call()], [heard])
    assert run.talk == times.Talk(talk_s=(1.5, 4), overlap_s=0.5)
    text = times.tables([call()], [run])
    assert "| truth |  | 2.0 | 4.0 | 1.0 |" in text
    assert "| engine | no | 1.5 | 4.0 | 0.5 |" in text


def test_words_count_only_where_they_were_asked_for() -> None:
    """MeetMemo has them in any case."""
    heard = Heard(segments=(segment("hello", 1, 2.5, [word("hello", 1, 2.5)]),))
    said = true_channel(("hello", 1.0, 2.0))
    one = replace(call(), path=Path("other.wav"), channels=(said,))
    with_words, without = (times.run_of("engine", asked, [one], [heard]).groups["call"] for asked in (True, False))
    assert (with_words.word_ends_s, without.word_ends_s) == ((0.5,), ())
    assert with_words.segment_ends_s == without.segment_ends_s == (0.5,)


def test_samples_have_their_sentences_times() -> None:
    """Of each channel."""
    sample = times.of_sample(times.CALL)
    assert sample.split
    assert [len(channel.turns) > 10 for channel in sample.channels] == [True, True]


def test_times_are_measured_with_words_and_without(tmp_path: Path) -> None:
    """Both in one process of an arm; the tables have a row for each."""

    def ask(arm: str, setup: Setup, options: Sequence[Options]) -> list[Answer]:
        assert [one.word_times for one in options] == [False, True]
        heard = Heard(segments=(segment("Hello, this is Julia from operations.", 0.8, 3.0),))
        return [{"heard": [heard.as_dict() for _ in setup.tasks], "cpu_s": 1.0, "wall_s": 1.0} for _ in options]

    cli.main(
        [
            *("times", "--recordings", "0", "--samples", "call-8khz-ulaw.wav", "--model", str(tmp_path)),
            *("--arms", "engine", "--out", str(tmp_path / "out")),
        ],
        ask,
    )
    text = (tmp_path / "out" / "times.md").read_text()
    assert text.count("| engine | no |") == text.count("| engine | yes |") == 1


def test_voices_and_people_take_turns() -> None:
    """Until both have no more."""
    assert list(seams.in_turn(iter("abc"), iter("x"), iter(()))) == ["a", "x", "b", "c"]


def test_cases_come_in_groups() -> None:
    """Groups keep the order, and leave nothing out."""
    assert list(seams.grouped(iter(range(5)), 2)) == [[0, 1], [2, 3], [4]]
