"""The diarization error rate: cases with figures from pyannote.metrics 4.2 (collar 0, overlap counted)."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scripts.voices.der import diarization_errors


@pytest.mark.parametrize(
    ("hypothesis", "missed", "false", "confused"),
    [
        ([("x", 0, 10), ("y", 10, 20)], 2.0, 0.0, 0.0),
        ([("x", 0, 20)], 2.0, 0.0, 8.0),
        ([("y", 0, 12), ("x", 10, 22)], 0.0, 2.0, 0.0),
        ([], 22.0, 0.0, 0.0),
        ([("x", 0, 5), ("z", 5, 10), ("y", 10, 20), ("w", 12, 16)], 2.0, 4.0, 5.0),
    ],
)
def test_known_cases(hypothesis, missed, false, confused):
    """One speaks from 0 to 12 s, another from 10 to 20 s: 22 s in all."""
    errors = diarization_errors([("a", 0, 12), ("b", 10, 20)], hypothesis)
    assert (errors.missed_s, errors.false_s, errors.confused_s) == pytest.approx((missed, false, confused))
    assert errors.total_s == 22
    assert errors.rate == pytest.approx((missed + false + confused) / 22)


turns = st.lists(
    st.tuples(st.sampled_from("abcd"), st.integers(0, 30), st.integers(1, 9)).map(
        lambda row: (row[0], float(row[1]), float(row[1] + row[2]))
    ),
    max_size=8,
)


@given(turns, turns)
def test_the_pairing_is_the_best_of_all(reference, hypothesis):
    """No renaming of the hypothesis' speakers to the reference's shares more time."""
    errors = diarization_errors(reference, hypothesis)

    def active(rows, second):
        return {who for who, start, end in rows if start <= second < end}

    shared = max(
        sum(
            len({names.get(who) for who in active(hypothesis, second)} & active(reference, second))
            for second in range(40)
        )
        for names in (dict(zip("abcd", order, strict=True)) for order in itertools.permutations("abcd"))
    )
    assert errors.total_s - errors.missed_s - errors.confused_s == pytest.approx(shared)


@given(turns)
def test_the_truth_has_no_errors(reference):
    """Nor has the truth under other names."""
    renamed = [(f"speaker {who}", start, end) for who, start, end in reference]
    assert diarization_errors(reference, renamed).rate == 0
