"""Receipts and their signatures: what was signed is verified, whatever was changed is noticed."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.audit import ObjectKind
from pipelines.errors import ConfigurationError
from pipelines.keeping.receipts import Cause, ErasedBlob, Receipt, document, signed
from pipelines.keeping.signing import ReceiptKey, new_key, verify

KEY = ReceiptKey(new_key())


def receipt(actor: str = "key-1", n_bytes: int = 3) -> Receipt:
    return Receipt(
        id="r1",
        tenant="acme",
        kind=ObjectKind.JOB,
        object_id="j1",
        cause=Cause.REQUEST,
        actor=actor,
        begun_at_s=1_800_000_000.0,
        deleted_at_s=1_800_000_000.125,
        gone=True,
        blobs=(ErasedBlob(key="acme/j1/source", n_bytes=n_bytes, sha256="ab" * 32),),
    )


@given(actor=st.text(), n_bytes=st.integers(0, 1 << 40))
def test_what_was_signed_is_verified(actor: str, n_bytes: int) -> None:
    """Also when it was written to a file and read again."""
    written = json.loads(json.dumps(document(signed(receipt(actor, n_bytes), KEY))))
    found = verify(written, (KEY.public_key,))
    assert (found.whole, found.trusted, found.fault) == (True, True, "")


@pytest.mark.parametrize("name", ["id", "tenant", "object_id", "actor", "deleted_at", "gone", "blobs"])
def test_a_change_is_noticed(name: str) -> None:
    """Whichever field is changed, left out, or added."""
    written = document(signed(receipt(), KEY))
    for changed in ({**written, name: []}, {each: written[each] for each in written if each != name}):
        found = verify(changed)
        assert (found.whole, found.fault) == (False, "the receipt was changed")
    assert not verify({**written, "added": 1}).whole


def test_whose_signature_it_is() -> None:
    """A receipt that another key signed is whole, and not trusted; an unsigned one is neither."""
    other = verify(document(signed(receipt(), ReceiptKey(new_key()))), (KEY.public_key,))
    assert (other.whole, other.trusted, other.fault) == (True, False, "another key signed the receipt")
    assert verify(document(signed(receipt(), None)), (KEY.public_key,)).fault == "the receipt is not signed"
    odd: Any
    for odd in (None, [], {"format": "x"}, {**document(receipt()), "signature": {"public_key": "x", "value": 7}}):
        assert not verify(odd).whole


def test_times_are_written_alike() -> None:
    """To the millisecond, in UTC: no program writes a number's digits otherwise."""
    written = document(receipt())
    assert (written["begun_at"], written["deleted_at"]) == (
        "2027-01-15T08:00:00.000+00:00",
        "2027-01-15T08:00:00.125+00:00",
    )


@pytest.mark.parametrize("key", ["", "x", "AAAA", "ä" * 32])
def test_keys_that_are_none(key: str) -> None:
    """A key that `new_key` did not make is a fault of the configuration, which does not repeat it."""
    with pytest.raises(ConfigurationError, match="32 bytes in base64"):
        ReceiptKey(key)
