"""Reading an answer: the last complete object counts, entry by entry; anything else is no answer."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.translation.answers import Entry, read_entries

WHOLE = '{"segments": [{"id": 1203, "text": "Guten Morgen."}, {"id": 1288, "text": "Fangen wir an?"}]}'
ENTRIES = (Entry(1203, "Guten Morgen."), Entry(1288, "Fangen wir an?"))


@pytest.mark.parametrize(
    "answer",
    [
        WHOLE,
        f"```json\n{WHOLE}\n```",
        f'<think>First {{"segments": [{{"id": 1, "text": "no"}}]}} or so.</think>\n{WHOLE}',
        f'{{"segments": [{{"id": 1203, "text": "a first try"}}]}} Better:\n{WHOLE}\nDone.',
        f'{WHOLE}\n{{"segments": [{{"id": 1203, "te',
        '{"segments": [{"id": "1203", "text": "Guten\\n Morgen. "}, 7, {"id": true, "text": "x"}, {"id": 4}, '
        '{"id": 1288, "text": "Fangen wir an?", "note": 1}, {"id": 5, "text": null}]}',
    ],
    ids=["bare", "fenced", "thoughts", "second try", "half a second one", "odd entries"],
)
def test_what_is_read(answer: str) -> None:
    """Thoughts, fences, words around it and entries that are none are passed over."""
    assert read_entries(answer) == ENTRIES


@pytest.mark.parametrize(
    "answer",
    [
        "",
        "I cannot do that.",
        WHOLE[:-3],
        '[{"id": 1, "text": "a list"}]',
        '{"segments": {"id": 1, "text": "x"}}',
        f"{WHOLE}</think>",
        '{"segments": ' * 10_000,
        '{"segments": ' + "[" * 100_000,
    ],
    ids=["empty", "words", "half", "list", "no list", "thoughts only", "repeated", "deep"],
)
def test_what_is_no_answer(answer: str) -> None:
    """Nothing is taken from what is not whole."""
    assert read_entries(answer) == ()


@given(st.lists(st.tuples(st.integers(0, 10**6), st.text(max_size=40))), st.text(max_size=20), st.booleans())
def test_what_is_written_is_read(entries: list[tuple[int, str]], around: str, ascii_only: bool) -> None:
    """Whatever the texts hold, also what looks like an answer."""
    entries.append((7, WHOLE))
    answer = json.dumps({"segments": [{"id": n, "text": text} for n, text in entries]}, ensure_ascii=ascii_only)
    around = around.replace("{", "(")
    found = read_entries(f"{around} {answer} {around}" if "</think>" not in answer + around else answer)
    assert found == tuple(Entry(n, " ".join(text.split())) for n, text in entries)
