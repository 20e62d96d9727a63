"""Where a row changes its language, found in windows that are unsure."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import ChunkResult, DecodedSegment, LanguagePassage, UnheardSpeech, Word
from pipelines.transcript.coverage import LANGUAGE_DOUBTFUL
from pipelines.whisper.options import DecodeRequest
from pipelines.whisper.passages import (
    SELDOM_SPOKEN,
    LanguageWindow,
    find_language,
    find_passages,
    join_passages,
    language_prior,
    main_language,
    swapped,
    with_doubt,
)

CODES = ("cy", "de", "en", "es", "fr", "ja", "zh")


def windows(*answers: dict[str, float], seconds: float = 5.0) -> list[LanguageWindow]:
    return [
        LanguageWindow(start_s=n * seconds, end_s=(n + 1) * seconds, probabilities=answer)
        for n, answer in enumerate(answers)
    ]


def languages(*answers: dict[str, float], **expected: float) -> list[str]:
    return [passage.language for passage in find_passages(windows(*answers), language_prior(CODES, expected))]


def test_one_language() -> None:
    """Windows that agree are one passage, surer than each of them."""
    (passage,) = find_passages(windows({"en": 0.6, "de": 0.2}, {"en": 0.7}), language_prior(CODES, {}))
    assert (passage.start_s, passage.end_s, passage.language) == (0.0, 10.0, "en")
    assert 0.9 < passage.probability < 1
    assert passage.runner_up == "de"


def test_a_passage_in_another_language() -> None:
    """Two windows in Chinese are a passage of their own, in a channel that is English so far too."""
    answers = ({"en": 0.95}, {"en": 0.9}, {"zh": 0.9}, {"zh": 0.7, "ja": 0.1}, {"en": 0.95})
    assert languages(*answers) == ["en", "zh", "en"]
    assert languages(*answers, en=0.97) == ["en", "zh", "en"]


@pytest.mark.parametrize("odd", [{"cy": 0.6, "en": 0.3}, {"zh": 0.5, "en": 0.15}, {"es": 0.19, "fr": 0.18}])
def test_an_unsure_window_changes_nothing(odd: dict[str, float]) -> None:
    """A window that is unsure is in the language of its neighbours."""
    assert languages({"en": 0.9}, odd, {"en": 0.8}) == ["en"]


def test_what_is_seldom_recorded_needs_more() -> None:
    """Welsh a little ahead of English is English: Whisper hears it in what it does not understand."""
    assert languages({"cy": 0.55, "en": 0.44}) == ["en"]
    assert languages({"cy": 0.97, "en": 0.01}, {"cy": 0.97}) == ["cy"]
    assert SELDOM_SPOKEN.isdisjoint({"de", "en", "es", "fr", "ja", "zh"})


def test_a_vote_that_says_little_is_unsure() -> None:
    """Spanish with 0.19 is not told as certain."""
    (passage,) = find_passages(windows({"es": 0.19, "fr": 0.15, "en": 0.12}, seconds=3), language_prior(CODES, {}))
    assert passage.probability < 0.5


def test_what_a_channel_is_expected_to_speak_decides_in_doubt() -> None:
    """The prior counts for a window alone."""
    window = windows({"en": 0.4, "de": 0.5})
    assert find_language(window, language_prior(CODES, {})) == "de"
    assert find_language(window, language_prior(CODES, {"en": 0.95})) == "en"


@given(
    st.lists(st.dictionaries(st.sampled_from(CODES), st.floats(0, 1), min_size=1), min_size=1, max_size=7),
    st.dictionaries(st.sampled_from([*CODES, "xx"]), st.floats(0, 1)),
)
def test_passages_tile(answers: list[dict[str, float]], expected: dict[str, float]) -> None:
    """Whatever the windows say: passages cover them, neighbours differ, probabilities are some."""
    prior = language_prior(CODES, expected)
    assert sum(prior.values()) == pytest.approx(1)
    found = find_passages(windows(*answers), prior)
    assert (found[0].start_s, found[-1].end_s) == (0.0, 5.0 * len(answers))
    for before, after in pairwise(found):
        assert before.end_s == after.start_s
        assert before.language != after.language
    for passage in found:
        assert passage.language in CODES
        assert passage.runner_up != passage.language
        assert 0 <= passage.probability + passage.runner_up_probability <= 1.001


ENGLISH = LanguagePassage(start_s=0, end_s=4, language="en", probability=0.9, runner_up="de", runner_up_probability=0.1)
CHINESE = LanguagePassage(
    start_s=4, end_s=10, language="zh", probability=0.4, runner_up="ja", runner_up_probability=0.3
)


def heard(text: str, **more: object) -> ChunkResult:
    word = Word(text=text, start_s=0.5, end_s=1.0, probability=0.9)
    fields: dict[str, object] = {
        "index": 3,
        "language": "",
        "segments": (DecodedSegment(start_s=0.5, end_s=1.0, text=text, words=(word,)),),
        "avg_logprob": -0.5,
        "no_speech_prob": 0.1,
        "compression_ratio": 1.0,
        "temperature": 0.0,
        **more,
    }
    return ChunkResult(**fields)  # type: ignore[arg-type]  # as the dataclass checks


ROW = DecodeRequest(pcm=np.ones(10 * 16_000, np.int16), index=3)


def test_passages_are_joined_on_the_clock_of_their_row() -> None:
    """Segments and words are moved, and carry their language; a doubtful passage makes the row suspect."""
    lost = UnheardSpeech(start_s=2.0, end_s=3.0)
    row = join_passages(ROW, (ENGLISH, CHINESE), [heard(" one"), heard("二", avg_logprob=-1.0, unheard=(lost,))])
    assert [(segment.start_s, segment.language) for segment in row.segments] == [(0.5, "en"), (4.5, "zh")]
    assert row.segments[1].words[0].start_s == 4.5
    assert (row.index, row.language) == (3, "zh")
    assert row.avg_logprob == pytest.approx(-0.8)
    assert row.unheard == (UnheardSpeech(start_s=6.0, end_s=7.0),)
    assert row.suspect == (LANGUAGE_DOUBTFUL,)
    assert row.passages == (ENGLISH, CHINESE)


def test_a_passage_that_fails_fails_its_row() -> None:
    """Nothing of a row is transcribed without the rest."""
    assert join_passages(ROW, (ENGLISH, CHINESE), [heard(" one"), heard("", error="boom")]).error == "boom"


def test_doubt_is_told_where_there_is_text() -> None:
    """Noise in no language is no doubtful text."""
    assert with_doubt(heard("二", passages=(CHINESE,)), 0.5).suspect == (LANGUAGE_DOUBTFUL,)
    assert with_doubt(heard("二", passages=(CHINESE,)), 0.3).suspect == ()
    assert with_doubt(heard("二", passages=(CHINESE,), segments=()), 0.5).suspect == ()


def test_the_main_language_is_the_longest() -> None:
    """A passage that turned out to be in its runner-up has the two change places."""
    assert main_language((ENGLISH, CHINESE)) == "zh"
    assert main_language(()) == ""
    assert (swapped(CHINESE).language, swapped(CHINESE).probability, swapped(CHINESE).runner_up) == ("ja", 0.3, "zh")
