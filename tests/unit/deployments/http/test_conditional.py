"""The header ``Range`` (RFC 9110, section 14)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.http.conditional import byte_range, range_applies
from pipelines.errors import RangeNotSatisfiable

N_BYTES = 10


@pytest.mark.parametrize(
    ("wanted", "asked"),
    [
        ("bytes=0-", range(10)),
        ("bytes=0-1", range(2)),
        ("bytes=3-3", range(3, 4)),
        ("bytes=4-400", range(4, 10)),
        ("bytes=-4", range(6, 10)),
        ("bytes=-400", range(10)),
        ("Bytes = 2 - 4 ", range(2, 5)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,4-5", None),
        ("seconds=0-1", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 30 + "-", None),
    ],
)
def test_what_is_asked_for(wanted, asked):
    """One range is taken as it is meant; what a server may ignore, and what nobody can read, means everything."""
    assert byte_range(wanted, N_BYTES) == asked


@pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=-0"])
def test_no_byte_of_it(wanted):
    """A range beyond the end is refused, with the length for those who try again."""
    with pytest.raises(RangeNotSatisfiable) as refused:
        byte_range(wanted, N_BYTES)
    assert refused.value.n_bytes == N_BYTES


def test_nothing_has_no_range():
    """An empty entity has no byte at any place."""
    for wanted in ("bytes=0-", "bytes=-1"):
        with pytest.raises(RangeNotSatisfiable):
            byte_range(wanted, 0)


@given(st.text(max_size=40) | st.from_regex(r"bytes=\d{0,4}-\d{0,4}", fullmatch=True), st.integers(0, 2000))
def test_any_header(wanted, n_bytes):
    """Whatever is sent, the answer is everything, a part that exists, or a refusal."""
    try:
        asked = byte_range(wanted, n_bytes)
    except RangeNotSatisfiable:
        return
    assert asked is None or (len(asked) > 0 and asked.start >= 0 and asked.stop <= n_bytes)


def test_a_part_of_this_very_entity():
    """Only the same strong tag says that a client's part belongs to what there is now."""
    assert range_applies(None, '"a"')
    assert range_applies('"a"', '"a"')
    for other in ('"b"', 'W/"a"', "Wed, 21 Oct 2026 07:28:00 GMT", ""):
        assert not range_applies(other, '"a"')
