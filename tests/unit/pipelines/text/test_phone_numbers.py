"""Telephone numbers: as recognisers write them, by country, by the words around them; what is no number stays."""

import pytest

from pipelines.text.phone_numbers import digits_of, find_phones
from pipelines.text.redaction import MaskKind, Scope, mask_text

PHONES: tuple[MaskKind, ...] = ("phones",)


@pytest.mark.parametrize(
    ("language", "text", "masked"),
    [
        ("en", "Call me at 555 0199.", "Call me at [phone]."),
        ("en", "You can ring 0 1 7 1 4 9 6 0 9 9 9 today", "You can ring [phone] today"),
        ("en", "It's (212) 555-0147.", "It's [phone]."),
        ("en", "oh seven seven double oh nine hundred one two three", "[phone]"),
        ("en", "Try plus four nine three zero one two three four five six seven", "Try [phone]"),
        ("en", "Dial 07700 900461, 07700 900462.", "Dial [phone], [phone]."),
        ("en", "We sold 12,500 for 34 dollars in 2024.", "We sold 12,500 for 34 dollars in 2024."),
        ("en", "Your order number is 8823145.", "Your order number is 8823145."),
        ("de", "Erreichbar unter 030 1234567.", "Erreichbar unter [phone]."),
        ("zh", "我的手机号是13800138000。", "我的手机号是[phone]。"),
        ("zh", "打幺三八零零一三八零零零找我", "打[phone]找我"),
        ("zh", "电话零二零八八八八六六六六", "电话[phone]"),
        ("zh", "预算是一万两千元", "预算是一万两千元"),
        ("", "+91 98765 43210", "[phone]"),
    ],
)
def test_what_is_a_telephone_number(language, text, masked):
    """International, national of the language's countries, or introduced by a word; nothing else."""
    assert mask_text(text, PHONES, Scope(language=language)) == masked


def test_the_countries_that_are_asked_for():
    """A Korean number among English words is found where Korea is asked for."""
    text = "010-1234-5678 was written there"
    assert not list(find_phones(text, language="en"))
    assert list(find_phones(text, language="en", regions=("KR",))) == [(0, 13)]


def test_digits_in_words():
    """Tens go with the unit after them; repeats and hundreds are written out."""
    assert digits_of("oh one six one four nine six twenty five thirty") == "01614962530"
    assert digits_of("triple two one hundred") == "2221" + "00"


def test_a_card_beside_telephone_numbers():
    """Where both are hidden, sixteen digits of a card are one mask."""
    assert mask_text("The card number is 4111 1111 1111 1111.", ("phones", "cards")) == "The card number is [card]."
