"""Masking: what is hidden, what is not, and that nothing else of a transcript changes."""

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import ModelInfo, Segment, Transcript, Word
from pipelines.text.redaction import MaskKind, mask_text, mask_transcript, mask_words

ALL: tuple[MaskKind, ...] = ("email", "cards", "numbers", "profanity")


@pytest.mark.parametrize(
    ("kind", "text", "masked"),
    [
        ("email", "Write to ann.lee+x@mail.example.org today.", "Write to [email] today."),
        ("email", "It is ann dot lee at example dot org, please.", "It is [email], please."),
        ("email", "We met at noon dot.", "We met at noon dot."),
        ("cards", "Card 4111 1111 1111 1111 please", "Card [card] please"),
        ("cards", "four one one one one one one one one one one one one one one one", "[card]"),
        ("cards", "Call 030 1234567", "Call 030 1234567"),
        ("numbers", "Call +49 (030) 123-4567 now", "Call [number] now"),
        ("numbers", "My pin is one two three four.", "My pin is [number]."),
        ("numbers", "密码是一二三四五。", "密码是[number]。"),
        ("numbers", "Room 12 on floor 3, 25 %", "Room 12 on floor 3, 25 %"),
        ("numbers", "someone won the tenth", "someone won the tenth"),
        ("profanity", "That is bullshit, damn.", "That is b*******, damn."),
        ("profanity", "他妈的", "他**"),
    ],
)
def test_what_is_masked(kind, text, masked):
    """Each kind hides its own, written or spoken, and leaves the rest."""
    assert mask_text(text, (kind,)) == masked


def test_kinds_that_overlap():
    """A card number is a number as well, a digit in an address part of it: the more specific word stands there."""
    text = "4111 1111 1111 1111 or 12345 or a1234@example.org"
    assert mask_text(text, ALL) == "[card] or [number] or [email]"


PIECES = ["one", "two", "nine", "12", "345", "at", "dot", "org", "shit", "hello", "一二", "a@b.cd"]
TEXTS = st.text(st.sampled_from("0123456789 abc.@-一二三 fuck\n"), max_size=60) | st.lists(
    st.sampled_from(PIECES), max_size=15
).map(" ".join)


@given(TEXTS)
def test_nothing_is_left(text):
    """After masking no run of four digits and no address is left; masking again changes nothing; no kinds, nothing."""
    masked = mask_text(text, ALL)
    assert not re.search(r"\d[ .-]?\d[ .-]?\d[ .-]?\d", masked)
    assert not re.search(r"[\w.+-]+@[\w-]+\.[a-z]{2,}", masked)
    assert mask_text(masked, ALL) == masked
    assert mask_text(text, ()) == text


@given(TEXTS)
def test_words_say_what_the_text_says(text):
    """Words cut from any text are masked to the same text, in order, within the times they had."""
    pieces = re.findall(r"\s*\S+|\s+$", text)
    words = [Word(text=piece, start_s=float(i), end_s=i + 1.0, probability=0.5) for i, piece in enumerate(pieces)]
    masked = mask_words(words, ALL)
    assert "".join(word.text for word in masked) == mask_text("".join(pieces), ALL)
    times = [time for word in masked for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert {word.start_s for word in masked} <= {word.start_s for word in words}


def test_a_transcript_keeps_everything_else():
    """Only text and words change; without kinds it is the same object."""
    texts = (" Pin", " 12", " 34", " ok.")
    words = tuple(Word(text=text, start_s=i, end_s=i + 1, probability=0.9) for i, text in enumerate(texts))
    segment = Segment(id=0, channel=1, speaker="Ann", start_s=0, end_s=4, text="Pin 12 34 ok.", words=words)
    model = ModelInfo(name="m")
    transcript = Transcript(
        duration_s=4, language="en", languages=(), segments=(segment,), coverage=(), model=model, n_channels=2
    )
    (masked,) = mask_transcript(transcript, ["numbers"]).segments
    assert masked.text == "Pin [number] ok."
    assert [(word.text, word.start_s, word.end_s) for word in masked.words] == [
        (" Pin", 0, 1),
        (" [number]", 1, 3),
        (" ok.", 3, 4),
    ]
    assert (masked.speaker, masked.start_s, masked.end_s, masked.channel) == ("Ann", 0, 4, 1)
    assert mask_transcript(transcript, ()) is transcript


@pytest.mark.parametrize(
    "text",
    [
        "a" * 20_000,
        "a." * 10_000,
        "a dot " * 3_300,
        "a at a dot " * 1_800,
        "a@" * 10_000,
        "1 " * 10_000,
        "a@a." * 5_000,
    ],
    ids=lambda text: text[:12],
)
def test_long_texts_take_no_long_time(text: str) -> None:
    """Texts made to be looked through again and again cost what their length costs."""
    began_s = time.process_time()
    mask_text(text, ALL)
    assert time.process_time() - began_s < 3


def test_an_address_with_a_long_local_part() -> None:
    """What a mail server takes at most is masked whole."""
    assert mask_text(f"to {'a' * 64}@example.org", ALL) == "to [email]"
