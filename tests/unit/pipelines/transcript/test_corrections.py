"""From edits to the next version of a transcript."""

from dataclasses import replace

import pytest

from pipelines.core import (
    CoverageStatus,
    Evidence,
    ModelInfo,
    NameSource,
    Segment,
    Speaker,
    Transcript,
    Word,
)
from pipelines.errors import OptionError
from pipelines.transcript.corrections import Edits, SegmentEdit, SpeakerSplit, blob_name, corrected, said, version_of


def spoken(number: int, speaker: str, text: str, *, health: CoverageStatus = CoverageStatus.TRANSCRIBED) -> Segment:
    start_s = 2.0 * number
    words = tuple(
        Word(text=f" {word}", start_s=start_s + i * 0.4, end_s=start_s + i * 0.4 + 0.4, probability=0.5)
        for i, word in enumerate(text.split())
    )
    return Segment(
        id=number,
        channel=0,
        speaker=speaker,
        start_s=start_s,
        end_s=start_s + 2,
        text=text,
        words=words,
        health=health,
    )


HEARD = Transcript(
    duration_s=8.0,
    language="en",
    languages=(),
    segments=(
        spoken(0, "Channel 1", "good morning"),
        spoken(1, "Channel 2", "we ship on friday", health=CoverageStatus.SUSPECT),
        spoken(2, "Channel 1", "thanks for watching"),
    ),
    coverage=(),
    model=ModelInfo(name="m"),
)


def test_text_and_speakers() -> None:
    """Names change throughout, single segments after that; times stay, and nothing of the old version changes."""
    edits = Edits(
        segments=(SegmentEdit(id=1, text=" We  ship on\nThursday. "), SegmentEdit(id=2, speaker="Cy")),
        speakers={"Channel 1": "Ann", "Channel 2": "Bob"},
    )
    after, n_changed = corrected(HEARD, edits)
    assert n_changed == 3
    assert [(each.speaker, each.text) for each in after.segments] == [
        ("Ann", "good morning"),
        ("Bob", "We ship on Thursday."),
        ("Cy", "thanks for watching"),
    ]
    assert [(each.start_s, each.end_s) for each in after.segments] == [
        (each.start_s, each.end_s) for each in HEARD.segments
    ]
    assert "".join(word.text for word in after.segments[1].words) == "We ship on Thursday."
    assert HEARD.segments[1].text == "we ship on friday"


def test_speakers_are_merged() -> None:
    """A speaker who gets the name of another is the same from then on."""
    after, n_changed = corrected(HEARD, Edits(speakers={"Channel 2": "Channel 1"}))
    assert n_changed == 1
    assert {segment.speaker for segment in after.segments} == {"Channel 1"}


def test_who_has_looked_is_sure() -> None:
    """A passage that was suspect is not any more once its text was corrected; a new name alone says nothing."""
    renamed, _ = corrected(HEARD, Edits(speakers={"Channel 2": "Bob"}))
    assert renamed.segments[1].health is CoverageStatus.SUSPECT
    rewritten, _ = corrected(HEARD, Edits(segments=(SegmentEdit(id=1, text="we ship"),)))
    assert rewritten.segments[1].health is CoverageStatus.TRANSCRIBED


def test_struck_out() -> None:
    """What was not said stays in the version, so that it can come back, and is in no document."""
    after, _ = corrected(HEARD, Edits(segments=(SegmentEdit(id=2, text=""),)))
    assert after.segments[2].text == ""
    assert after.segments[2].words == ()
    assert [segment.id for segment in said(after).segments] == [0, 1]
    back, _ = corrected(after, Edits(segments=(SegmentEdit(id=2, text="bye"),)))
    assert [segment.id for segment in said(back).segments] == [0, 1, 2]


@pytest.mark.parametrize(
    ("edits", "why"),
    [
        (Edits(), "nothing would change"),
        (Edits(segments=(SegmentEdit(id=0, text="good  morning "),)), "nothing would change"),
        (Edits(speakers={"Channel 1": "Channel 1"}), "nothing would change"),
        (Edits(segments=(SegmentEdit(id=9, text="x"),)), "no segment 9"),
        (Edits(segments=(SegmentEdit(id=1, text="x"), SegmentEdit(id=1, text="y"))), "more than once"),
        (Edits(speakers={"Nobody": "Ann"}), "nobody here is called 'Nobody'"),
    ],
)
def test_edits_that_are_none(edits: Edits, why: str) -> None:
    """What names nothing, the same twice, or changes nothing is refused with the reason."""
    with pytest.raises(OptionError, match=why):
        corrected(HEARD, edits)


def test_names_of_blobs() -> None:
    """Equal versions have one name, others another, and a name tells its version."""
    other, _ = corrected(HEARD, Edits(speakers={"Channel 1": "Ann"}))
    assert blob_name(3, HEARD) == blob_name(3, HEARD)
    assert len({blob_name(3, HEARD), blob_name(4, HEARD), blob_name(3, other)}) == 3
    assert (version_of(blob_name(12, HEARD)), version_of("")) == (12, 0)


def test_corrected_names_are_known_from_a_person() -> None:
    """Renamed, merged and new speakers are marked so; the quote of a name that was taken away goes with it."""
    inferred = Speaker(
        label="Channel 1",
        name="Channel 1",
        source=NameSource.INFERRED,
        evidence=(Evidence(segment_ids=(0,), quote="good morning"),),
    )
    unnamed = Speaker(label="Channel 2", name="Channel 2", source=NameSource.UNNAMED)
    told_apart = replace(HEARD, speakers=(inferred, unnamed))
    renamed, _ = corrected(told_apart, Edits(speakers={"Channel 1": "Ann"}))
    assert renamed.speakers == (Speaker(label="Channel 1", name="Ann", source=NameSource.CORRECTED), unnamed)
    merged, _ = corrected(renamed, Edits(speakers={"Channel 2": "Ann"}))
    assert [(each.label, each.name) for each in merged.speakers] == [("Channel 1", "Ann"), ("Channel 2", "Ann")]
    given_away, _ = corrected(told_apart, Edits(segments=(SegmentEdit(id=1, speaker="Cy"),)))
    assert given_away.speakers == (inferred, Speaker(label="Cy", name="Cy", source=NameSource.CORRECTED))
    assert corrected(HEARD, Edits(speakers={"Channel 1": "Ann"}))[0].speakers == ()


def test_a_speaker_is_split_at_a_time() -> None:
    """What is said in between is another's, whose name is known from a person; the rest may be renamed at once."""
    two = replace(HEARD, speakers=(Speaker(label="Channel 1", name="Channel 1", source=NameSource.UNNAMED),))
    edits = Edits(
        splits=(SpeakerSplit(speaker="Channel 1", name="Bob", from_s=3.0, until_s=6.0),), speakers={"Channel 1": "Ann"}
    )
    after, n_changed = corrected(two, edits)
    assert [segment.speaker for segment in after.segments] == ["Ann", "Channel 2", "Bob"]
    assert n_changed == 2
    assert ("Bob", NameSource.CORRECTED) in [(each.name, each.source) for each in after.speakers]
    until_the_end = Edits(splits=(SpeakerSplit(speaker="Channel 1", name="Bob", from_s=5.0),))
    assert [segment.speaker for segment in corrected(two, until_the_end)[0].segments] == [
        "Channel 1",
        "Channel 2",
        "Bob",
    ]
    for speaker, from_s in (("Cy", 0.0), ("Channel 1", 7.0)):
        with pytest.raises(OptionError, match="splits"):
            corrected(two, Edits(splits=(SpeakerSplit(speaker=speaker, name="Bob", from_s=from_s),)))
