"""Voices named by what is said, in short meetings written by hand."""

from dataclasses import replace

import pytest

from pipelines.core import ModelInfo, NameSource, Segment, Speaker, Transcript
from pipelines.minutes.naming.naming import with_names
from tests.support.recordings import truth

Row = tuple[int, str]


def meeting(language: str, *rows: Row) -> Transcript:
    """Rows of a speaker's number and a segment, four seconds each."""
    segments = tuple(
        Segment(id=n, channel=0, speaker=f"Speaker {who}", start_s=4.0 * n, end_s=4.0 * n + 3.5, text=text)
        for n, (who, text) in enumerate(rows)
    )
    return Transcript(
        duration_s=4.0 * len(rows),
        language=language,
        languages=(),
        segments=segments,
        coverage=(),
        model=ModelInfo(name="m"),
    )


def names(transcript: Transcript) -> dict[str, str]:
    """The names that were inferred, by label."""
    found = with_names(transcript).speakers
    return {each.label: each.name for each in found if each.source is NameSource.INFERRED}


@pytest.mark.parametrize(
    ("language", "rows", "expected"),
    [
        ("en", [(1, "Hello, this is Karen from support."), (2, "Good morning.")], {1: "Karen"}),
        ("en", [(1, "hi this is karen from support how can i help you"), (2, "good morning")], {1: "Karen"}),
        ("en", [(1, "My name is Xiomara Lopez."), (2, "Good morning.")], {1: "Xiomara Lopez"}),
        ("en", [(1, "Good morning."), (2, "Hi all, I'm Bob.")], {2: "Bob"}),
        ("en", [(1, "Sales are up by ten percent."), (2, "Thanks, Karen."), (3, "Next point.")], {1: "Karen"}),
        ("en", [(1, "So, Karen, what do you think?"), (2, "I like it."), (3, "Me too.")], {2: "Karen"}),
        ("en", [(1, "We are late. Over to you, Karen."), (2, "I like it.")], {2: "Karen"}),
        ("en", [(1, "Siân, would you start?"), (2, "I like it very much."), (1, "Thank you, Siân.")], {2: "Siân"}),
        ("zh", [(1, "大家好，我是技术部的李明。"), (2, "你好。")], {1: "李明"}),
        ("zh", [(1, "王芳，你怎么看？"), (2, "我觉得可以。"), (3, "好的。")], {2: "王芳"}),
        ("zh", [(1, "销售额上升了百分之十。"), (2, "谢谢王芳。"), (3, "好的。")], {1: "王芳"}),
        ("de", [(1, "Guten Tag, mein Name ist Katharina Müller."), (2, "Hallo.")], {1: "Katharina Müller"}),
        ("de", [(1, "Guten Tag."), (2, "Hier ist Jürgen vom Einkauf.")], {2: "Jürgen"}),
        ("de", [(1, "Stefan, was meinst du?"), (2, "Das ist gut."), (3, "Ja.")], {2: "Stefan"}),
        ("de", [(1, "Die Zahlen sind dieses Jahr gut."), (2, "Danke, Frau Schneider.")], {1: "Frau Schneider"}),
        ("fr", [(1, "Bonjour, je m'appelle Élodie Martin."), (2, "Bonjour.")], {1: "Élodie Martin"}),
        ("fr", [(1, "Pierre, qu'en penses-tu ?"), (2, "Je suis d'accord."), (3, "Oui.")], {2: "Pierre"}),
        ("fr", [(1, "Les ventes ont augmenté de dix pour cent."), (2, "Merci, Camille.")], {1: "Camille"}),
        ("es", [(1, "Hola, me llamo Lucía."), (2, "Hola.")], {1: "Lucía"}),
        ("es", [(1, "Carlos, ¿qué opinas?"), (2, "Me gusta."), (3, "Sí.")], {2: "Carlos"}),
        ("es", [(1, "Las ventas subieron un diez por ciento."), (2, "Gracias, Carmen.")], {1: "Carmen"}),
    ],
)
def test_what_is_said_names_voices(language: str, rows: list[Row], expected: dict[int, str]) -> None:
    """Introductions name the speaker, thanks who spoke before, questions who speaks next."""
    assert names(meeting(language, *rows)) == {f"Speaker {who}": name for who, name in expected.items()}


@pytest.mark.parametrize(
    ("language", "rows"),
    [
        ("en", [(1, "I spoke to Karen, and Karen will send it."), (2, "Karen said she is fine."), (3, "Good.")]),
        ("en", [(1, "She said my name is Karen."), (2, "Good morning.")]),
        ("en", [(1, "This is Karen, she joined us today."), (2, "Good morning."), (3, "Hello.")]),
        ("en", [(1, "This is Karen's idea."), (2, "Thanks to Karen's work we are early."), (3, "Yes.")]),
        ("en", [(1, "The numbers are up this week."), (2, "Thanks, Karen and Bob."), (3, "Good.")]),
        ("en", [(1, "The numbers are up this week."), (2, "Thank you, everyone. Thank you, Sir."), (3, "Good.")]),
        ("en", [(1, "I'm German. This is Berlin. I'm sorry."), (2, "People here think so.")]),
        ("en", [(1, "Depends how fast it is, don't you think?"), (2, "Yes, very."), (3, "Well.")]),
        ("en", [(1, "Janet, you will have to wait for it."), (2, "I see, thank you."), (3, "Well.")]),
        ("de", [(1, "Ich bin Kunde. Danke, Kollegen."), (2, "Ich bin Leiter der Abteilung.")]),
        ("zh", [(1, "我是很高兴的，谢谢大家。"), (2, "时间到了。"), (3, "李明说可以。")]),
    ],
)
def test_who_is_only_talked_about_is_nobody_here(language: str, rows: list[Row]) -> None:
    """Nor is a word that merely begins with a capital letter a name, nor one of two names anybody's."""
    assert names(meeting(language, *rows)) == {}


@pytest.mark.parametrize(
    "rows",
    [
        [(1, "This is Karen."), (2, "This is Karen."), (3, "Hello.")],
        [(1, "My name is Karen."), (2, "Good morning."), (1, "My name is Anna.")],
        [(1, "The numbers are up."), (2, "Thanks, Karen."), (1, "They are up again."), (3, "Thanks, Anna.")],
        [(1, "The numbers are up."), (2, "Thanks, Karen."), (1, "Karen, what do you think?"), (1, "Well.")],
    ],
)
def test_a_contradiction_leaves_a_voice_without_a_name(rows: list[Row]) -> None:
    """Two names for a voice, two voices of a name, or a voice that calls somebody else so."""
    assert names(meeting("en", *rows)) == {}


def test_evidence_is_a_quote_with_its_segments() -> None:
    """The voice's own words come first; segments carry the name, the label is kept, others keep their number."""
    found = with_names(
        meeting(
            "en",
            (1, "Karen, what do you think?"),
            (2, "This is Karen Smith from support."),
            (3, "Thanks, Karen."),
        )
    )
    assert [segment.speaker for segment in found.segments] == ["Speaker 1", "Karen Smith", "Speaker 3"]
    first, karen, third = found.speakers
    assert (first.name, first.source, first.evidence) == ("Speaker 1", NameSource.UNNAMED, ())
    assert (karen.label, karen.name, karen.source) == ("Speaker 2", "Karen Smith", NameSource.INFERRED)
    assert [(each.segment_ids, each.quote) for each in karen.evidence] == [
        ((1,), "This is Karen Smith from support."),
        ((0,), "Karen, what do you think?"),
        ((2,), "Thanks, Karen."),
    ]
    assert third.source is NameSource.UNNAMED


def test_who_was_recognised_keeps_that_name() -> None:
    """What is said gives it to nobody else, and the recognised voice no other one."""
    known = Speaker(label="Speaker 1", name="Karen Smith", source=NameSource.PROFILE, profile="p", similarity=0.8)
    said = meeting("en", (1, "My name is Anna."), (2, "My name is Karen."), (2, "Fine."))
    found = with_names(replace(said, speakers=(known,)))
    assert found.speakers == (
        known,
        Speaker(label="Speaker 2", name="Speaker 2", source=NameSource.UNNAMED),
    )
    assert [segment.speaker for segment in found.segments] == ["Karen Smith", "Speaker 2", "Speaker 2"]


def test_the_names_of_the_sample_meeting() -> None:
    """Four people introduce themselves, are asked and thanked; all four voices get their names."""
    spoken = truth("meeting-3min.flac").segments
    people = list(dict.fromkeys(segment.speaker for segment in spoken))
    rows = [(people.index(segment.speaker) + 1, segment.text) for segment in spoken]
    assert names(meeting("en", *rows)) == {f"Speaker {n}": person for n, person in enumerate(people, start=1)}
