"""`scripts/measure-vocabulary`: what counts as found, invented and harmed, and its table."""

import json
from pathlib import Path

import pytest

from pipelines.core import ModelInfo, Segment, Transcript, Word
from scripts.hearing.corpus import Recording, load_corpus
from scripts.vocabulary import cli
from scripts.vocabulary.counting import Count, count
from scripts.vocabulary.planted import CHINESE_TERMS, ENGLISH_TERMS, sentences

TRUTH = "Then Smith and then Anna Jones came."


def test_found_and_invented() -> None:
    """A term is found where it was said; elsewhere it is invented, also where another one was said."""
    terms = ["Smith", "Anna Jones"]
    assert count(TRUTH, "then smith and then anna jones came", terms, "en") == Count(
        n_terms=2, n_found=2, n_others=4, n_right=4
    )
    assert count(TRUTH, "Then Smyth and Smith Anna Jone came", terms, "en") == Count(
        n_terms=2, n_found=0, n_invented=1, n_others=4, n_right=3
    )


def test_chinese_terms_are_counted_by_characters() -> None:
    """One wrong character, and the term is not found."""
    assert count("请张伟来", "请张卫来", ["张伟"], "zh") == Count(n_terms=1, n_found=0, n_others=2, n_right=2)


@pytest.mark.parametrize(("language", "terms"), [("en", ENGLISH_TERMS), ("zh", CHINESE_TERMS)])
def test_every_term_is_planted(language: str, terms: tuple[str, ...]) -> None:
    """And no sentence has a place left open."""
    text = "".join(sentences(language))
    assert all(term in text for term in terms)
    assert "{" not in text


def test_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Four uses of the terms on the same recording: what the model hears plainly and primed, as it is and matched."""
    entry = {"file": "a.wav", "language": "en", "seconds": 9.0, "channels": 1, "text": TRUTH, "group": "calls"}
    (tmp_path / "truth.json").write_text(json.dumps([entry]), encoding="utf-8")
    (tmp_path / "a.wav").touch()
    (recording,) = load_corpus(tmp_path)
    assert cli.terms_of([recording]) == ("Anna", "Jones", "Smith")

    def hear(_: Recording, prompt: str) -> Transcript:
        said = "Then Smith or Anna Jones." if prompt else "Then Smyth and then Anna Jones came."
        words = tuple(
            Word(text=f" {word}", start_s=i, end_s=i + 1.0, probability=0.3 if word == "Smyth" else 0.95)
            for i, word in enumerate(said.split())
        )
        segment = Segment(id=0, channel=0, speaker="", start_s=0, end_s=9, text=said, words=words)
        return Transcript(
            duration_s=9.0, language="en", languages=(), segments=(segment,), coverage=(), model=ModelInfo(name="m")
        )

    cli.main(["--data", str(tmp_path)], hear)
    rows = capsys.readouterr().out.splitlines()[2:]
    assert rows == [
        "| calls | none | 3 | 2 | 0 | 4 | 100.0 % |",
        "| calls | prompt | 3 | 3 | 0 | 4 | 25.0 % |",
        "| calls | match | 3 | 3 | 0 | 4 | 100.0 % |",
        "| calls | both | 3 | 3 | 0 | 4 | 25.0 % |",
    ]
