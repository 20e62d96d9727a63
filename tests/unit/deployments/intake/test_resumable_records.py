"""Which of an upload's pieces count, whatever endpoints that did not know of each other left."""

import random

from hypothesis import given
from hypothesis import strategies as st

from deployments.intake.resumable.records import in_order
from pipelines.storage.layout import PieceKeys

KEYS = PieceKeys(tenant="t", upload_id="0" * 32)
REQUEST = "f" * 32


def offsets(*names: str) -> list[tuple[int, int]]:
    return [(piece.offset, piece.n_bytes) for piece in in_order(KEYS, [KEYS.record, *names])]


def test_pieces_follow_on_each_other() -> None:
    """From the first byte on, up to the first gap."""
    assert offsets() == []
    assert offsets(KEYS.piece(0, 3), KEYS.piece(3, 4), KEYS.piece(8, 1)) == [(0, 3), (3, 4)]
    assert offsets(KEYS.piece(1, 3)) == []


def test_of_two_that_begin_together_the_longer_counts() -> None:
    """A torn connection's last bytes may come late; what follows on the shorter one waits for its turn in vain."""
    assert offsets(KEYS.piece(0, 3), KEYS.piece(0, 5), KEYS.piece(3, 4), KEYS.piece(5, 1)) == [(0, 5), (5, 1)]


def test_pieces_count_once_their_checksum_was_verified() -> None:
    """All of a request's at once."""
    names = [KEYS.piece(0, 3, REQUEST), KEYS.piece(3, 3, REQUEST)]
    assert offsets(*names) == []
    assert offsets(*names, KEYS.verified("e" * 32)) == []
    assert offsets(*names, KEYS.verified(REQUEST)) == [(0, 3), (3, 3)]
    assert offsets(*names, KEYS.piece(0, 2)) == [(0, 2)]


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 6)), max_size=12), st.randoms())
def test_what_counts_has_no_gap(pieces: list[tuple[int, int]], draw: random.Random) -> None:
    """Pieces come without gap or overlap, in whatever order they are listed."""
    names = [KEYS.piece(offset, n_bytes) for offset, n_bytes in pieces]
    found = offsets(*names)
    end = 0
    for offset, n_bytes in found:
        assert offset == end
        end += n_bytes
    draw.shuffle(names)
    assert offsets(*names) == found
