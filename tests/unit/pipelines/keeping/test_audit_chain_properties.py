"""Whatever is entered makes a whole chain, and whatever is done to one entry of it is noticed."""

from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.audit import AuditAction, AuditEntry, Deed, ObjectKind, check
from tests.fakes.ledger import ManualClock, MemoryLedger

TEXT = st.text(max_size=8)
DEEDS = st.lists(
    st.builds(
        Deed,
        tenant=st.just("acme"),
        action=st.sampled_from(AuditAction),
        actor=TEXT,
        kind=st.sampled_from(ObjectKind),
        object_id=TEXT,
        request_id=TEXT,
        detail=st.lists(st.tuples(TEXT, st.one_of(TEXT, st.integers())), max_size=2).map(tuple),
        at_s=st.one_of(st.none(), st.floats(0, 1e10)),
        n_times=st.integers(1, 9),
    ),
    min_size=1,
    max_size=6,
)


def entered(deeds: list[Deed]) -> MemoryLedger:
    ledger = MemoryLedger(clock=ManualClock())
    for deed in deeds:
        ledger.audit.append([deed])
    return ledger


@given(deeds=DEEDS)
def test_a_chain_is_whole(deeds: list[Deed]) -> None:
    """Also with texts that no database holds, which are entered as it holds them."""
    found = check(entered(deeds).audit, "acme")
    assert (found.fault, found.n_entries) == ("", len(deeds))


@given(deeds=DEEDS, place=st.integers(0, 5), kind=st.integers(0, 8))
def test_one_change_is_noticed(deeds: list[Deed], place: int, kind: int) -> None:
    """Every field, the time, the digest, an entry that is gone or doubled."""
    ledger = entered(deeds)
    entries = ledger.audit.entries["acme"]
    before = list(entries)
    place %= len(entries)
    entry = entries[place]
    changed: list[dict[str, Any]] = [
        {"actor": f"{entry.deed.actor}x"},
        {"object_id": f"{entry.deed.object_id}x"},
        {"request_id": f"{entry.deed.request_id}x"},
        {"detail": (*entry.deed.detail, ("x", 1))},
        {"n_times": entry.deed.n_times + 1},
    ]
    if kind < len(changed):
        entries[place] = replace(entry, deed=replace(entry.deed, **changed[kind]))
    else:
        entries[:] = _rearranged(entries, place, kind - len(changed))
    assert entries != before
    assert check(ledger.audit, "acme").fault


def _rearranged(entries: list[AuditEntry], place: int, how: int) -> list[AuditEntry]:
    entry = entries[place]
    head, tail = entries[:place], entries[place + 1 :]
    others = {
        0: [replace(entry, at_s=entry.at_s + 1)],
        1: [replace(entry, digest="ab")],
        2: [],
        3: [entry, replace(entry, seq=entry.seq + 1)],
    }
    return [*head, *others[how], *tail]
