"""`scripts/calibrate-confidence`: which words count as right, the curve, its errors, what is written."""

import json
from pathlib import Path
from random import Random
from xml.etree import ElementTree

import pytest

from pipelines.codec import decode
from pipelines.core import ModelInfo, Segment, Transcript, Word
from pipelines.models.profile import ModelProfile
from scripts.confidence import cli
from scripts.confidence.fitting import apply, bins, brier, expected_error, fit, held_out
from scripts.confidence.judging import Judged, judge
from scripts.hearing.corpus import Recording


def words(*said: tuple[str, float]) -> list[Word]:
    return [Word(text=text, start_s=i, end_s=i + 1.0, probability=p) for i, (text, p) in enumerate(said)]


def test_right_and_wrong_words() -> None:
    """A word is right where the truth has it; case and punctuation do not count, punctuation alone is no word."""
    heard = words(("Call", 0.9), (" Smyth,", 0.3), (" please", 0.8), (" -", 0.1), (" now.", 0.7))
    assert judge(heard, "Call Smith now", "en") == [
        Judged(probability=0.9, right=True),
        Judged(probability=0.3, right=False),
        Judged(probability=0.8, right=False),
        Judged(probability=0.7, right=True),
    ]


def test_a_chinese_word_is_right_when_all_its_characters_are() -> None:
    """Chinese is compared by characters, simplified."""
    heard = words(("預算", 0.9), ("会议", 0.4))
    assert [each.right for each in judge(heard, "预算会意", "zh")] == [True, False]


def overconfident(n: int, seed: int = 7) -> list[Judged]:
    """Words that are right as often as the square of their probability."""
    random = Random(seed)
    chances = [random.random() for _ in range(n)]
    return [Judged(probability=chance, right=random.random() < chance**2) for chance in chances]


def test_a_curve_makes_words_as_often_right_as_it_says() -> None:
    """On words that it was not fitted on: the expected error falls from a sixth to a few hundredths."""
    recordings = [overconfident(400, seed) for seed in range(6)]
    before = [each for one in recordings for each in one]
    after = held_out(recordings)
    assert expected_error(before) == pytest.approx(1 / 6, abs=0.03)
    assert expected_error(after) < 0.05
    assert brier(after) < brier(before)


def test_a_curve_ascends() -> None:
    """Bins that fall are pooled, so that a profile takes the curve."""
    noisy = [Judged(probability=i / 1000, right=(i // 100) % 3 != 1) for i in range(1000)]
    curve = fit(noisy)
    assert ModelProfile(confidence=curve).confidence == curve
    assert len(curve) < 12


def test_too_few_words_make_no_curve() -> None:
    """A curve of one point would give every word the same confidence."""
    with pytest.raises(ValueError, match="99 words"):
        fit(overconfident(99))


def test_bins_hold_all_words() -> None:
    """Also those of the probability 1."""
    assert sum(each.n_words for each in bins([Judged(probability=1.0, right=True), *overconfident(50)])) == 51


def test_what_is_written(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The curve as a profile reads it, a plot, a table; ``&`` in a name breaks no plot."""
    truth = "one two three four five six seven eight nine ten " * 20
    entry = {"language": "en", "seconds": 9.0, "channels": 1, "speakers": 1, "text": truth}
    entries = [{**entry, "file": name} for name in ("a.wav", "b.wav")]
    (tmp_path / "truth.json").write_text(json.dumps(entries), encoding="utf-8")
    for each in entries:
        (tmp_path / str(each["file"])).touch()

    def hear(recording: Recording) -> Transcript:
        said = [(f" {word}" if i % 4 else " wrong", 0.9 if i % 4 else 0.6) for i, word in enumerate(truth.split())]
        segment = Segment(id=0, channel=0, speaker="", start_s=0, end_s=9, text=truth, words=tuple(words(*said)))
        return Transcript(
            duration_s=9.0, language="en", languages=(), segments=(segment,), coverage=(), model=ModelInfo(name="m")
        )

    out = tmp_path / "out"
    cli.main(["--data", str(tmp_path), "--model", "a&b", "--out", str(out)], hear)
    curve = decode(ModelProfile, (out / "confidence.json").read_text(encoding="utf-8")).confidence
    judged = [Judged(probability=0.9, right=True), Judged(probability=0.6, right=False)]
    assert [each.probability for each in apply(judged, curve)] == [1.0, 0.0]
    assert "a&b: 400 words" in "".join(ElementTree.parse(out / "reliability.svg").getroot().itertext())
    assert "2 recordings, 400 words, 75.0 % of them right." in capsys.readouterr().out
