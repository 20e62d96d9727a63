"""Which queued jobs are begun: tenants take turns, and each tenant's own order holds."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from pipelines.scheduling.fair_share import share_out

queues = st.dictionaries(st.sampled_from("abcd"), st.lists(st.floats(0, 1000), max_size=12), max_size=4).map(
    lambda times: {
        tenant: [(created_at_s, f"{tenant}{n}") for n, created_at_s in enumerate(own)] for tenant, own in times.items()
    }
)
in_hands = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 5))


@given(in_hands, queues, st.integers(0, 30))
def test_the_least_served_come_first(
    in_hand: dict[str, int], waiting: dict[str, list[tuple[float, str]]], limit: int
) -> None:
    """As many as there is room for, each tenant's in order, and nobody gets one while a poorer tenant waits."""
    chosen = share_out(in_hand, waiting, limit)
    assert len(chosen) == min(limit, sum(map(len, waiting.values())))
    got = Counter(job_id[0] for job_id in chosen)
    for tenant, own in waiting.items():
        assert [job_id for job_id in chosen if job_id[0] == tenant] == [job_id for _, job_id in own][: got[tenant]]
        if got[tenant] < len(own):
            waits_with = in_hand.get(tenant, 0) + got[tenant]
            for other in got:
                assert got[other] == 0 or in_hand.get(other, 0) + got[other] - 1 <= waits_with


def test_age_decides_among_equals() -> None:
    """Of tenants with as many jobs in hand, the one whose job waits longest comes first."""
    assert share_out({}, {"a": [(2.0, "a0")], "b": [(1.0, "b0")]}, 1) == ["b0"]
