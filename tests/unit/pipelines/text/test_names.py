"""Names of people and places: what is found, what is not one, and that one that was found is hidden everywhere."""

import time
from dataclasses import replace

import pytest

from pipelines.core import ModelInfo, Segment, TermMatch, Transcript, Word
from pipelines.text.redaction import MASK_KINDS, MaskKind, Scope, mask_text, mask_transcript, without_names

NAMES: tuple[MaskKind, ...] = ("names",)
PHONES: tuple[MaskKind, ...] = ("phones",)
BOTH: tuple[MaskKind, ...] = ("names", "places")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Hello, my name is Tabitha Quill.", "Hello, my name is [name]."),
        ("Can I speak to Mrs. Okonkwo, please?", "Can I speak to Mrs. [name], please?"),
        ("Jennifer, send it to Rajesh Patel by Friday.", "[name], send it to [name] by Friday."),
        ("I moved from Leeds to New York City last May.", "I moved from [place] to [place] last May."),
        ("Paris told me that she lives in Paris.", "[name] told me that she lives in [place]."),
        ("Ship it to 14 Baker Street, London.", "Ship it to [place], [place]."),
        ("I think Will will handle it. Will you?", "I think [name] will handle it. Will you?"),
        ("my name is peter and i live in manchester", "my name is [name] and i live in [place]"),
        ("That is Fatima's address.", "That is [name]'s address."),
        ("O'Brien and McAllister signed.", "[name] and [name] signed."),
        ("The French team meets Microsoft on Monday in March.", "The French team meets Microsoft on Monday in March."),
        ("The deadline is May 15.", "The deadline is May 15."),
        ("Victor, what happened?", "[name], what happened?"),
        ("May I ask who is calling?", "May I ask who is calling?"),
        ("请张总下周去上海谈项目。", "请[name]总下周去[place]谈项目。"),
        ("我叫王小明，住在北京。", "我叫[name]，住在[place]。"),
        ("欧阳修和陈静今天请假。", "[name]和[name]今天请假。"),
        ("高端市场的方案明天讨论，项目在三月完成。", "高端市场的方案明天讨论，项目在三月完成。"),
    ],
)
def test_what_is_a_name(text, masked):
    """People by name, title and introduction, places by name and street; everyday words are neither."""
    assert mask_text(text, BOTH, Scope(language="en")) == masked
    assert mask_text(masked, MASK_KINDS) == masked, "masking again changes nothing"


def transcript_of(*texts: str, language: str = "en") -> Transcript:
    segments = tuple(
        Segment(id=i, channel=0, speaker="", start_s=i, end_s=i + 1, text=text) for i, text in enumerate(texts)
    )
    return Transcript(
        duration_s=9, language=language, languages=(), segments=segments, coverage=(), model=ModelInfo(name="m")
    )


def test_a_name_is_one_everywhere():
    """What one sentence introduces is hidden where nothing else tells that it is a name, earlier ones included."""
    said = transcript_of("Quillworth was late.", "My name is Tabitha Quillworth.", "So Quillworth left.")
    texts = [segment.text for segment in mask_transcript(said, NAMES).segments]
    assert texts == ["[name] was late.", "My name is [name].", "So [name] left."]


def test_names_that_are_known_beforehand():
    """Those who are on the channels are hidden where they are spoken of."""
    said = transcript_of("Brzęczyk has the slides.")
    assert mask_transcript(said, NAMES, names=["Zdzisława Brzęczyk"]).segments[0].text == "[name] has the slides."


def test_a_name_that_stood_under_a_term():
    """A term that was written for a name no longer tells what was heard."""
    words = tuple(Word(text=t, start_s=i, end_s=i + 1, probability=1.0) for i, t in enumerate((" Meet", " Lindt", ".")))
    match = TermMatch(term="Lindt", heard="Linda", at=5, start_s=1, end_s=2)
    segment = Segment(
        id=0, channel=0, speaker="", start_s=0, end_s=3, text="Meet Lindt.", words=words, matches=(match,)
    )
    said = replace(transcript_of(), segments=(segment,))
    (masked,) = mask_transcript(said, NAMES).segments
    assert masked.matches == ()


def test_languages_in_which_names_are_not_found():
    """They are told, and only where names or places were to be hidden."""
    assert without_names(transcript_of("田中です", language="ja"), NAMES) == ["ja"]
    assert without_names(transcript_of("田中です", language="ja"), PHONES) == []
    assert without_names(transcript_of("a", language="de"), BOTH) == []


def test_long_transcripts_take_no_long_time():
    """Five thousand sentences are masked in seconds; a text made to be looked through again and again, too."""
    mask_text("Ann", BOTH)  # reads the lists
    said = transcript_of(*["We met Jennifer Patel in London and talked about 17 things with 王小明."] * 1000)
    began_s = time.process_time()
    mask_transcript(said, MASK_KINDS)
    assert time.process_time() - began_s < 15
    for text in ("Anna " * 4000, "A." * 8000, "Mr. " * 4000, "12 A " * 4000, "call 1 " * 4000):
        began_s = time.process_time()
        mask_text(text, MASK_KINDS)
        assert time.process_time() - began_s < 8, text[:8]
