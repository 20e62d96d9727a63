"""Rules about decodings: what they catch and what they must leave alone."""

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.whisper.quality import (
    Decoding,
    Rule,
    Thresholds,
    compression_ratio,
    count_letters,
    failed_rules,
    has_loop,
    is_silence,
    split_units,
)

SENTENCE = "We should move the deadline to the twelfth of March and tell the customer today."
GOOD = Decoding(text=SENTENCE, avg_logprob=-0.3, no_speech_prob=0.05, speech_s=5.0)

distinct_words = st.lists(st.from_regex(r"[a-z]{2,9}", fullmatch=True), min_size=1, max_size=12, unique=True)


def test_ordinary_sentence_breaks_no_rule() -> None:
    """A sentence at an ordinary pace and confidence passes."""
    assert failed_rules(GOOD) == ()


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"avg_logprob": -1.01}, Rule.LOW_LOGPROB),
        ({"avg_logprob": math.nan}, Rule.LOW_LOGPROB),
        ({"text": "Thank you. " * 12, "speech_s": 8.0}, Rule.REPETITION),
        ({"text": "Thank you. " * 40, "speech_s": 20.0}, Rule.COMPRESSION),
        ({"speech_s": 60.0}, Rule.TOO_LITTLE_TEXT),
        ({"text": ""}, Rule.TOO_LITTLE_TEXT),
        ({"text": SENTENCE * 3, "speech_s": 3.0}, Rule.TOO_MUCH_TEXT),
        ({"truncated": True}, Rule.TRUNCATED),
        ({"prompt": "Agenda: we should move the deadline to the twelfth."}, Rule.PROMPT_ECHO),
    ],
)
def test_each_rule_is_broken_by_its_fault(changes: dict[str, object], rule: Rule) -> None:
    """Every rule notices the fault it is named after, whatever else it notices."""
    assert rule in failed_rules(replace(GOOD, **changes))  # type: ignore[arg-type]  # one value per case


def test_confident_loop_is_caught() -> None:
    """A loop that the model is sure of, and that zlib hardly shrinks yet, is still a loop."""
    looped = replace(GOOD, text="So we need to ship it. " * 4, avg_logprob=-0.05, speech_s=8.0)
    assert Rule.REPETITION in failed_rules(looped)


@pytest.mark.parametrize("text", ["No, no, no, no, no.", "I don't know. I don't know. I don't know.", "哈哈哈哈哈"])
def test_spoken_repeats_are_left_alone(text: str) -> None:
    """People repeat themselves a few times; that is no loop."""
    assert not has_loop(text)


def test_chinese_loop_is_caught_by_characters() -> None:
    """Scripts without spaces are compared character by character."""
    assert has_loop("我们开会" * 4)
    assert not has_loop("我们今天下午三点开会讨论预算和招聘计划")


def test_chinese_pace_is_counted_in_letters() -> None:
    """Four characters per second are ordinary Chinese, not a dropped passage."""
    text = "我们今天下午三点开会讨论预算和招聘计划"
    assert count_letters(text) == 3 * len(text)
    assert failed_rules(replace(GOOD, text=text, speech_s=len(text) / 4)) == ()


def test_silence_has_no_fault() -> None:
    """A window that the model calls silent, with text it does not trust, is silence and not suspect."""
    silent = Decoding(text="you", avg_logprob=-1.4, no_speech_prob=0.9, speech_s=10.0)
    assert is_silence(silent)
    assert failed_rules(silent) == ()


def test_trusted_text_outweighs_no_speech() -> None:
    """A high no-speech probability alone does not throw away text that the model is sure of."""
    assert not is_silence(replace(GOOD, no_speech_prob=0.95))


def test_likely_text_that_nobody_else_hears_is_silence() -> None:
    """Both the model and voice activity doubt that somebody speaks: neither doubt alone throws text away."""
    invented = Decoding(text="Thank you.", avg_logprob=-0.85, no_speech_prob=0.87, speech_s=0.6, voiced=False)
    assert is_silence(invented)
    assert failed_rules(invented) == ()
    assert not is_silence(replace(invented, voiced=True))
    assert not is_silence(replace(invented, no_speech_prob=0.5))


def test_short_speech_is_not_rated_by_pace() -> None:
    """A second of speech may hold one letter."""
    assert failed_rules(replace(GOOD, text="I", speech_s=1.0)) == ()


def test_hotwords_spoken_one_by_one_are_no_echo() -> None:
    """Names from the prompt that are really said do not count as an echo."""
    spoken = replace(
        GOOD, text="Then Kubernetes and Prometheus are on the agenda.", prompt="Kubernetes, Prometheus, Ray"
    )
    assert Rule.PROMPT_ECHO not in failed_rules(spoken)


@given(distinct_words, st.integers(min_value=8, max_value=30))
def test_any_phrase_repeated_eight_times_is_a_loop(words: list[str], times: int) -> None:
    """Whatever the phrase, eight or more repeats in a row are a loop."""
    assert has_loop(" ".join(words * times))


@given(st.lists(st.from_regex(r"[a-z]{2,9}", fullmatch=True), max_size=80, unique=True))
def test_text_without_a_repeated_word_is_no_loop(words: list[str]) -> None:
    """No loop is seen where no word occurs twice."""
    assert not has_loop(" ".join(words))


@given(st.text(max_size=200))
def test_splitting_into_units_is_stable(text: str) -> None:
    """Splitting units that were joined again gives the same units."""
    units = split_units(text)
    assert split_units(" ".join(units)) == units


@given(st.text(max_size=300), st.floats(allow_nan=True), st.floats(0, 1), st.floats(0, 30), st.booleans())
def test_rules_are_total(text: str, logprob: float, no_speech: float, speech_s: float, truncated: bool) -> None:
    """Any decoding gets an answer, each rule at most once and in their order."""
    decoding = Decoding(
        text=text, avg_logprob=logprob, no_speech_prob=no_speech, speech_s=speech_s, truncated=truncated
    )
    rules = failed_rules(decoding)
    assert list(rules) == [rule for rule in Rule if rule in rules]
    assert compression_ratio(text) >= 0


@given(st.floats(-3, 0), st.floats(-3, 0))
def test_raising_the_log_probability_never_adds_a_fault(one: float, other: float) -> None:
    """Rules are monotone in the model's confidence."""
    low, high = sorted((one, other))
    thresholds = Thresholds(max_no_speech_prob=1.0)
    assert set(failed_rules(replace(GOOD, avg_logprob=high), thresholds)) <= set(
        failed_rules(replace(GOOD, avg_logprob=low), thresholds)
    )
