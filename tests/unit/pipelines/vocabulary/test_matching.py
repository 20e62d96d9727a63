"""Terms after decoding: what is replaced by which, what stays, and how it can be undone."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import ModelInfo, Segment, TermMatch, Transcript, Word
from pipelines.text.redaction import MaskKind, mask_transcript
from pipelines.transcript.corrections import Edits, SegmentEdit, corrected
from pipelines.vocabulary.matching import with_terms


def transcript(*words: tuple[str, float], language: str = "en") -> Transcript:
    timed = tuple(Word(text=text, start_s=float(i), end_s=i + 1.0, probability=p) for i, (text, p) in enumerate(words))
    text = "".join(word.text for word in timed).strip()
    segment = Segment(
        id=0, channel=0, speaker="", start_s=0.0, end_s=float(len(words)), text=text, words=timed, language=language
    )
    return Transcript(
        duration_s=60.0, language=language, languages=(), segments=(segment,), coverage=(), model=ModelInfo(name="m")
    )


def matched(terms, *words, language="en") -> Segment:
    (segment,) = with_terms(transcript(*words, language=language), terms).segments
    return segment


CALL = (("Call", 0.95), (" Smyth,", 0.3), (" please.", 0.9))


def test_a_doubtful_word_gives_way():
    """The term stands in text and words, with marks, times and the doubt; what was heard is told."""
    segment = matched(["Smith"], *CALL)
    assert segment.text == "Call Smith, please."
    assert segment.matches == (TermMatch(term="Smith", heard="Smyth", at=5, start_s=1.0, end_s=2.0),)
    assert segment.words[1] == Word(text=" Smith,", start_s=1.0, end_s=2.0, probability=0.3)
    assert segment.heard_text == "Call Smyth, please."


@pytest.mark.parametrize(
    ("terms", "words"),
    [
        (["Smith"], (("Call", 0.95), (" Smyth,", 0.5), (" please.", 0.9))),  # it is not doubtful
        (["Berlin"], CALL),  # nothing sounds like it
        (["Smith"], (("Call", 0.95), (" smith,", 0.3))),  # it is there already
        (["Smith", "Smyth"], CALL),  # another term is there
        (["Mia"], (("Call", 0.9), (" Maya", 0.1))),  # it is too short to go by its sound
        ([], CALL),
    ],
)
def test_what_stays(terms, words):
    """Words that are sure, that sound otherwise, that are terms themselves."""
    assert with_terms(transcript(*words), terms) == transcript(*words)


def test_several_words_for_one():
    """A term may have been heard as more words than it has, none of which was certain."""
    words = (("We", 0.9), (" use", 0.9), (" cooper", 0.4), (" net", 0.6), (" ease", 0.3), (" here.", 0.9))
    segment = matched(["Kubernetes"], *words)
    assert segment.text == "We use Kubernetes here."
    assert [(word.text, word.start_s, word.end_s) for word in segment.words[2:]] == [
        (" Kubernetes", 2.0, 5.0),
        (" here.", 5.0, 6.0),
    ]
    assert segment.words[2].probability == pytest.approx((0.4 + 0.6 + 0.3) / 3)
    certain = tuple((text, 0.95 if text == " net" else p) for text, p in words)
    assert matched(["Kubernetes"], *certain).matches == ()


def test_one_word_for_several():
    """A term of two words is two words again, and an English genitive keeps its ending."""
    segment = matched(["Anna Kowalski"], ("Ask", 0.9), (" anna", 0.6), (" kovalsky's", 0.2), (" team.", 0.9))
    assert segment.text == "Ask Anna Kowalski's team."
    assert [word.text for word in segment.words] == ["Ask", " Anna", " Kowalski's", " team."]
    assert segment.matches[0].heard == "anna kovalsky"


def test_the_nearest_term_is_taken():
    """Of terms that sound alike, wherever they stand in the list."""
    for terms in (["Kowalski", "Kowalska"], ["Kowalska", "Kowalski"]):
        assert matched(terms, ("Ask", 0.9), (" kovalsky", 0.2)).text == "Ask Kowalski"


def test_initials():
    """What is read letter by letter is heard as words."""
    assert matched(["CRM"], ("the", 0.9), (" see", 0.3), (" are", 0.4), (" em.", 0.3)).text == "the CRM."


def test_chinese():
    """Characters within words give way to a term of as many syllables; the rest of a word stays."""
    segment = matched(["张伟"], ("请问", 0.9), ("脏伟在家", 0.3), ("吗?", 0.9), language="zh")
    assert segment.text == "请问张伟在家吗?"
    assert segment.matches == (TermMatch(term="张伟", heard="脏伟", at=2, start_s=1.0, end_s=1.5),)
    assert [word.text for word in segment.words] == ["请问", "张伟", "在家", "吗?"]
    assert matched(["张伟明"], ("请问", 0.9), ("脏伟", 0.3), language="zh").matches == ()


def test_without_words():
    """A segment without words, or whose words do not spell it, stays."""
    bare = transcript(*CALL)
    segment = bare.segments[0]
    for other in (Segment(**{**vars(segment), "words": ()}), Segment(**{**vars(segment), "text": "Other words."})):
        assert with_terms(Transcript(**{**vars(bare), "segments": (other,)}), ["Smith"]).segments == (other,)


@given(
    st.lists(
        st.tuples(
            st.text("aehiklmorst kS,.'’张伟脏章", min_size=1, max_size=8).map(lambda text: f" {text}"), st.floats(0, 1)
        ),
        min_size=1,
        max_size=6,
    )
)
def test_it_can_always_be_undone(words):
    """With what was heard in place of the terms the text is the old one, and the words spell the new one."""
    before = transcript(*words)
    (segment,) = with_terms(before, ["Smith", "Kars", "Thomas Lehrer", "张伟", "TLS"]).segments
    assert segment.heard_text == before.segments[0].text
    assert "".join(word.text for word in segment.words).strip() == segment.text
    for match in segment.matches:
        assert segment.text[match.at :].startswith(match.term)
        assert match.start_s <= match.end_s


def test_a_correction_undoes_a_match():
    """The one whose place was edited goes, those before and behind it stay where their terms are."""
    words = (("Smyth", 0.3), (" and", 0.9), (" kovalsky", 0.3), (" and", 0.9), (" Smyth", 0.3))
    before = with_terms(transcript(*words), ["Smith", "Kowalski"])
    assert before.segments[0].text == "Smith and Kowalski and Smith"
    edit = SegmentEdit(id=0, text="Smith and kovalsky, and Smith")
    after, _ = corrected(before, Edits(segments=(edit,)))
    (segment,) = after.segments
    assert [(match.term, match.at) for match in segment.matches] == [("Smith", 0), ("Smith", 24)]
    assert segment.heard_text == "Smyth and kovalsky, and Smyth"


def test_what_is_masked_is_not_told():
    """What was heard in place of a term may be what is masked: such a segment tells of none."""
    before = with_terms(transcript(*CALL, (" 4111", 0.9), (" 1111", 0.9)), ["Smith"])
    assert len(before.segments[0].matches) == 1
    kinds: list[MaskKind] = ["numbers", "email"]
    (masked, not_masked) = (mask_transcript(before, [kind]).segments[0].matches for kind in kinds)
    assert (masked, not_masked) == ((), before.segments[0].matches)
