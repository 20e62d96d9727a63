"""Slots: taken once, given back once, shared so that nobody is kept out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deployments.intake.gates import Gate
from pipelines.errors import Overloaded


def test_a_slot_is_given_back_once():
    """Released twice, by hand and by its context, a slot makes room for one."""
    gate = Gate(1, "uploads")
    with gate.acquire("a") as slot:
        slot.release()
    assert gate.n_inside == 0
    gate.acquire("b")
    slot.release()
    assert gate.n_inside == 1
    with pytest.raises(Overloaded, match="1 uploads are already under way"):
        gate.acquire("c")


def test_a_tenant_has_its_share():
    """One more than a tenant's share is refused; others are not."""
    gate = Gate(8, "uploads", {"a": 2, "b": 8}.__getitem__)
    first = gate.acquire("a")
    gate.acquire("a")
    with pytest.raises(Overloaded, match="2 of your uploads"):
        gate.acquire("a")
    gate.acquire("b")
    first.release()
    gate.acquire("a")


def test_the_last_quarter_is_for_newcomers():
    """However much one tenant may, and however many are greedy, some slots are left to those that hold none."""
    gate = Gate(8, "uploads")
    for _ in range(6):
        gate.acquire("greedy")
    with pytest.raises(Overloaded, match="kept for others"):
        gate.acquire("greedy")
    gate.acquire("late")
    with pytest.raises(Overloaded, match="kept for others"):
        gate.acquire("late")
    gate.acquire("later")
    with pytest.raises(Overloaded, match="8 uploads are already under way"):
        gate.acquire("too late")


@given(st.integers(1, 12), st.lists(st.tuples(st.sampled_from("abc"), st.booleans()), max_size=60))
def test_whatever_comes_and_goes(limit, steps):
    """Never more than the limit are inside, and when all have left nothing is remembered of them."""
    gate = Gate(limit, "uploads", lambda tenant: 5)
    held = []
    for tenant, comes in steps:
        if comes:
            try:
                held.append((tenant, gate.acquire(tenant)))
            except Overloaded:
                assert held
        elif held:
            held.pop(0)[1].release()
        assert gate.n_inside == len(held) <= limit
        assert gate.tenants == {owner for owner, _ in held}
        assert all([owner for owner, _ in held].count(name) <= 5 for name in "abc")
    for _, slot in held:
        slot.release()
    assert gate.n_inside == 0
    assert not gate.tenants
