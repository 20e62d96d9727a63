"""Queries, tokens and what is shown of a hit."""

import pytest

from pipelines.errors import OptionError
from pipelines.search.query import MAX_QUERY, MAX_TERMS, SearchQuery, Term, parse
from pipelines.search.ranking import TextPart, parts, score
from pipelines.search.tokens import scope, tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Hello, World!", ["hello", "world"]),
        ("e-mail don't", ["e", "mail", "don", "t"]),
        ("Straße ÉCOLE naïve", ["strasse", "ecole", "naive"]),
        ("GPU集群3台", ["gpu", "集", "群", "3", "台"]),
        ("ＡＢＣ　ﾀﾞ", ["abc", "ダ"]),
        ("か が", ["か", "が"]),
        ("한국어 회의", ["한국어", "회의"]),
        ("हिन्दी में", ["हिन्दी", "में"]),
        ("สวัสดี", list("สวัสดี")),
        ("مُحَمَّد", ["مُحَمَّد"]),
        ("_ -- ’", []),
    ],
)
def test_tokens(text: str, expected: list[str]) -> None:
    """Words without case, width and Latin accents; characters of scripts without spaces; marks stay with letters."""
    assert [token.text for token in tokens(text)] == expected


def test_no_text_has_a_scope() -> None:
    """Nobody can write a token that narrows a search."""
    tenant = scope("t", "acme")
    assert tenant not in [token.text for token in tokens(f"a {tenant} b")]
    assert scope("t", "acme") != scope("t", "acm") != scope("j", "acm")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a b a", SearchQuery((Term(("a",)), Term(("b",))))),
        ('"a b" c', SearchQuery((Term(("a", "b")), Term(("c",))))),
        ("“a b", SearchQuery((Term(("a", "b")),))),
        ("bud*", SearchQuery((Term(("bud",), prefix=True),))),
        ('"the bud*"', SearchQuery((Term(("the", "bud"), prefix=True),))),
        ('"the bud"*', SearchQuery((Term(("the", "bud"), prefix=True),))),
        ("b* 会*", SearchQuery((Term(("b",)), Term(("会",))))),
        ('x -y -"z w" a-b', SearchQuery((Term(("x",)), Term(("a", "b"))), (Term(("y",)), Term(("z", "w"))))),
        (
            "OR NEAR(x) tokens:y ^ {",
            SearchQuery((Term(("or",)), Term(("near", "x")), Term(("tokens", "y")))),
        ),
    ],
)
def test_parse(text: str, expected: SearchQuery) -> None:
    """Words, phrases, prefixes, exclusions; the languages of databases are words like others."""
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text", ["", "  ", "-x", '""', "!?", "x" * (MAX_QUERY + 1), " ".join(map(str, range(MAX_TERMS + 1)))]
)
def test_queries_that_are_none(text: str) -> None:
    """A query that names nothing to look for, or too much, is refused."""
    with pytest.raises(OptionError):
        parse(text)


@pytest.mark.parametrize(
    ("text", "q", "expected"),
    [
        ("The Budget, budgets", "bud*", ["The ", "*Budget", ", ", "*budgets"]),
        ("no match", "other", ["no match"]),
        ("讨论会议预算。", "会议 预算", ["讨论", "*会议预算", "。"]),
        ("a b c d", '"b c" "c d"', ["a ", "*b c d"]),
    ],
)
def test_parts(text: str, q: str, expected: list[str]) -> None:
    """What matches is told apart from the rest, and all of it together is the text."""
    found = parts(text, parse(q))
    assert [("*" if part.match else "") + part.text for part in found] == expected
    assert "".join(part.text for part in found) == text


def test_score() -> None:
    """Often and in few words counts more; without one of the terms, or with an unwanted one, nothing."""
    assert score("fee fee", parse("fee")) > score("fee and more", parse("fee")) > 0
    assert score("fee", parse("fee and")) == score("fee more", parse("fee -more")) == 0
    assert parts("x", parse("x")) == (TextPart("x", match=True),)
