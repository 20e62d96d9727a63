"""What a language model is shown of a passage: bounded, whatever segments and glossaries hold."""

from pipelines.minutes.provider.token_count import estimate_tokens
from pipelines.translation.packing import Passage
from pipelines.translation.prompts import MAX_TERM_TOKENS, Wrong, messages_for, terms_for
from tests.support.llm_lab import said

SEGMENTS = said("First of all " * 100 + "near", "Meet memo is quick.", "next to it" + " and so on" * 100).segments
PASSAGE = Passage(segments=SEGMENTS[1:2], before=SEGMENTS[:1], after=SEGMENTS[2:])


def test_neighbours_are_cut_on_their_far_sides() -> None:
    """What is next to the passage explains it."""
    _, user = messages_for(PASSAGE, "de", ())
    assert 'all near"]' in user.content
    assert '"next to it' in user.content
    assert len(user.content) < 1_200


def test_terms_in_the_text_come_first() -> None:
    """However they are written apart; the others as far as there is room."""
    glossary = (*(f"Term number {n} of a long glossary" for n in range(200)), "MeetMemo")
    chosen = terms_for(PASSAGE, glossary)
    assert chosen[0] == "MeetMemo"
    assert 5 < len(chosen) < 200
    assert sum(map(estimate_tokens, chosen)) <= MAX_TERM_TOKENS
    assert terms_for(PASSAGE, ("b", "a")) == ("b", "a")


def test_faults_are_told_of_the_lines_asked() -> None:
    """Under the numbers that the model sees."""
    _, user = messages_for(PASSAGE, "de", (), Wrong.of(PASSAGE, {1: "it was left out", 2: "not asked"}, 1))
    assert "it was left out" in user.content
    assert "not asked" not in user.content


def test_nothing_is_asked_again_in_the_same_words() -> None:
    """A line that fails in the same way again is told how often: the same words bring the answer that is known."""
    asked = [
        messages_for(PASSAGE, "de", (), Wrong.of(PASSAGE, {1: "it was left out"}, n))[1].content for n in (1, 2, 3)
    ]
    assert len({*asked, messages_for(PASSAGE, "de", ())[1].content}) == 4
