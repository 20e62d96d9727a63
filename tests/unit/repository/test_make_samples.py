"""The synthetic voices and the command that makes samples.

Most tests need the speech programs: ``apt-get install flite espeak-ng``. The continuous integration installs them.
"""

import filecmp
from pathlib import Path

import numpy as np
import pytest

from pipelines.audio.decode import probe
from scripts.speech import cli as make_samples
from scripts.speech.catalogue import GROUPS
from scripts.speech.long_meeting import PEOPLE
from scripts.speech.pinyin import with_tones, without_tones
from scripts.speech.truth import load_truth
from scripts.speech.voices import PEAK, SAMPLE_RATE, VOICES, SpeechError, missing_programs, speak
from tests.support.recordings import RECORDINGS

needs_speech = pytest.mark.skipif(bool(missing_programs()), reason="needs flite and espeak-ng (apt-get install both)")
SENTENCES = {
    "en": "We decided to move the budget because the supplier was late.",
    "zh": "我们决定推迟预算，因为供应商迟到了。",
}
SENTENCE = SENTENCES["en"]


@needs_speech
@pytest.mark.parametrize("voice", VOICES)
def test_voice_speaks(voice: str) -> None:
    """Each voice says a sentence in a plausible time, at full level, without silence at the ends, always the same."""
    sentence = SENTENCES[VOICES[voice].language]
    pcm = speak(sentence, voice)
    assert pcm.dtype == np.int16
    assert pcm.ndim == 1
    assert 2 * SAMPLE_RATE < len(pcm) < 5 * SAMPLE_RATE
    assert np.abs(pcm.astype(int)).max() == PEAK
    for end in (pcm[: SAMPLE_RATE // 10], pcm[-SAMPLE_RATE // 5 :]):
        assert np.abs(end.astype(int)).max() > PEAK // 200
    assert np.array_equal(pcm, speak(sentence, voice))


def test_chinese_is_spelled_as_it_sounds() -> None:
    """Tones as numbers for the speech program, none for the letters; a character may sound otherwise in a word."""
    assert with_tones("我们同意，不是吗？") == "wo3 men5 tong2 yi4, bu2 shi4 ma5?"
    assert without_tones("银行行，女人") == "yin hang xing ， nv ren"
    assert without_tones("No Chinese") == "No Chinese"


@needs_speech
@pytest.mark.parametrize("voice", ["slt", "kal16", "en-gb"])
def test_rate_and_pitch(voice: str) -> None:
    """A higher rate takes less time; another pitch changes the sound and hardly the time."""
    usual = speak(SENTENCE, voice)
    assert len(speak(SENTENCE, voice, rate=1.25)) < 0.9 * len(usual)
    high = speak(SENTENCE, voice, pitch=1.25)
    assert len(high) == pytest.approx(len(usual), rel=0.05)
    assert not np.array_equal(high, usual)


@pytest.mark.parametrize(
    ("text", "voice", "options", "complaint"),
    [
        ("Hello.", "alexa", {}, "no voice is called 'alexa'"),
        ("  ", "slt", {}, "no text"),
        ("Hello.", "slt", {"rate": 3.0}, "rate must be between"),
        ("Hello.", "slt", {"pitch": 0.0}, "pitch must be between"),
    ],
)
def test_speak_refuses_nonsense(text: str, voice: str, options: dict[str, float], complaint: str) -> None:
    """Wrong arguments are named before any program is started."""
    with pytest.raises(ValueError, match=complaint):
        speak(text, voice, **options)


def test_missing_program_names_its_package(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    """Without the speech programs the error and the command say which Debian packages to install."""
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(SpeechError, match="apt-get install flite"):
        speak("Hello.", "slt")
    assert make_samples.main([]) == 1
    assert "apt-get install espeak-ng flite" in capsys.readouterr().err


@needs_speech
def test_speechless_text_is_an_error() -> None:
    """A text that gives no sound is refused, not returned as silence."""
    with pytest.raises(SpeechError, match="said nothing"):
        speak("...", "en-us")


@needs_speech
def test_meetings_of_any_length(tmp_path: Path) -> None:
    """Further meetings have the wished length and voices; the same seed says the same, another seed does not."""
    arguments = ["--minutes", "1.2", "--voices", "kal16,en-gb+f3", "--format", "flac"]
    for folder, seed in (("a", "7"), ("b", "7"), ("c", "8")):
        assert make_samples.main([*arguments, "--out", str(tmp_path / folder), "--seed", seed]) == 0
    first, again, other = (tmp_path / folder / "meeting-1.flac" for folder in "abc")
    said = load_truth(first.with_suffix(".truth.json"))
    assert said.duration_s == pytest.approx(72, abs=40)
    assert {segment.voice for segment in said.segments} == {"kal16", "en-gb+f3"}
    assert {segment.speaker for segment in said.segments} == {PEOPLE["kal16"][0], PEOPLE["en-gb+f3"][0]}
    assert said.decisions
    assert probe(first).duration_s == pytest.approx(said.duration_s, abs=0.001)
    assert filecmp.cmp(first, again, shallow=False)
    assert said == load_truth(again.with_suffix(".truth.json"))
    assert said.text != load_truth(other.with_suffix(".truth.json")).text


@needs_speech
@pytest.mark.parametrize("group", sorted(set(GROUPS) - {"long"}))
def test_checked_in_samples_can_be_made_again(tmp_path: Path, group: str) -> None:
    """The command makes the files of each group again, with the same words at nearly the same times.

    Bytes and milliseconds depend on the versions of codecs and speech programs. The twelve-minute meeting is left out:
    it takes half a minute and comes from the generator of `test_meetings_of_any_length`.
    """
    assert make_samples.main(["--only", group, "--out", str(tmp_path)]) == 0
    made = [path for path in tmp_path.iterdir() if path.name != "expectations.json"]
    assert len(made) > 3
    for path in made:
        checked_in = RECORDINGS / path.name
        assert checked_in.exists()
        if path.name.endswith(".truth.json"):
            ours, theirs = load_truth(path), load_truth(checked_in)
            assert ours.text == theirs.text
            assert ours.action_items == theirs.action_items
            assert ours.duration_s == pytest.approx(theirs.duration_s, rel=0.05)
        else:
            assert path.stat().st_size == pytest.approx(checked_in.stat().st_size, rel=0.2)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--seed", "3"], "--seed needs --minutes"),
        (["--minutes", "0"], "must be positive"),
        (["--minutes", "1"], "needs --out"),
        (["--minutes", "1", "--only", "long"], "exclude each other"),
        (["--minutes", "1", "--out", "OUT", "--voices", "slt"], "at least two different voices"),
        (["--minutes", "1", "--out", "OUT", "--voices", "slt,alexa"], "unknown voices: alexa"),
        (["--format", "wma"], "invalid choice"),
    ],
)
def test_wrong_usage(tmp_path: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Wrong options end with code 2 and a sentence that says what is wrong."""
    with pytest.raises(SystemExit) as stopped:
        make_samples.main([str(tmp_path) if argument == "OUT" else argument for argument in arguments])
    assert stopped.value.code == 2
    assert complaint in capsys.readouterr().err
