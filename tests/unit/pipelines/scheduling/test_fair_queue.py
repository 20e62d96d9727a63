"""The fair queue: what it must never lose, and how it shares."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.core import SAMPLE_RATE, Chunk, SpeechInterval
from pipelines.scheduling.fair_queue import FairQueue
from pipelines.scheduling.work_item import WorkItem


def item(
    job_id: str,
    index: int,
    *,
    tenant: str = "a",
    seconds: int = 30,
    priority: int = 0,
    beam: int = 1,
    deadline_s: float | None = None,
    economy: bool = False,
) -> WorkItem:
    piece = SpeechInterval(start=0, end=seconds * SAMPLE_RATE)
    return WorkItem(
        tenant=tenant,
        job_id=job_id,
        chunk=Chunk(index=index, channel=0, span=0, pieces=(piece,)),
        priority=priority,
        deadline_s=deadline_s,
        beam_size=beam,
        economy=economy,
    )


items = st.builds(
    item,
    job_id=st.sampled_from(["j1", "j2", "j3"]),
    index=st.integers(0, 1000),
    tenant=st.sampled_from(["a", "b"]),
    seconds=st.integers(1, 30),
    priority=st.integers(0, 2),
    beam=st.sampled_from([1, 5]),
    deadline_s=st.sampled_from([None, 10.0, 20.0]),
)


@given(st.lists(items, max_size=40), st.integers(1, 8))
def test_everything_comes_out_once(added: list[WorkItem], batch: int) -> None:
    """Whatever goes in comes out exactly once, and a batch never mixes groups."""
    queue = FairQueue()
    for work in added:
        queue.add(work)
    assert queue.backlog_s == pytest.approx(sum(work.audio_s for work in added))
    taken: list[WorkItem] = []
    while rows := queue.take(batch):
        assert len(rows) <= batch
        assert len({row.group for row in rows}) == 1
        taken += rows
    assert Counter(taken) == Counter(added)
    assert len(queue) == 0
    assert queue.backlog_s == 0.0


@given(st.lists(items, max_size=40), st.sampled_from(["j1", "j2"]), st.sampled_from(["a", "b"]))
def test_dropping_a_job_takes_only_its_items(added: list[WorkItem], job_id: str, tenant: str) -> None:
    """After a drop no item of that job comes out, and all others do."""
    queue = FairQueue()
    for work in added:
        queue.add(work)
    kept = [work for work in added if (work.tenant, work.job_id) != (tenant, job_id)]
    assert queue.drop(tenant, job_id) == len(added) - len(kept)
    taken = [row for rows in iter(lambda: queue.take(4), []) for row in rows]
    assert Counter(taken) == Counter(kept)


def test_tenants_share_audio_seconds() -> None:
    """A tenant with a thousand chunks gets half the machine beside one with twenty."""
    queue = FairQueue()
    for index in range(1000):
        queue.add(item("big", index, tenant="bulk"))
    for index in range(20):
        queue.add(item("small", index, tenant="clinic", seconds=15))
    served = Counter[str]()
    while served["clinic"] < 20 * 15:
        for row in queue.take(4):
            served[row.tenant] += round(row.audio_s)
    assert served["bulk"] == pytest.approx(served["clinic"], abs=4 * 30)


def test_a_short_job_is_not_held_up_by_a_long_one() -> None:
    """Ten minutes submitted during ten hours of the same tenant end after about twenty minutes of audio."""
    queue = FairQueue()
    for index in range(1200):
        queue.add(item("long", index))
    for _ in range(100):
        queue.take(4)
    for index in range(20):
        queue.add(item("short", index))
    served = n_short = 0
    while n_short < 20:
        rows = queue.take(4)
        served += sum(round(row.audio_s) for row in rows)
        n_short += sum(row.job_id == "short" for row in rows)
    assert served <= 2 * 600 + 4 * 30


def test_a_newcomer_owes_nothing_and_is_owed_nothing() -> None:
    """A tenant that was away starts level: it neither waits for others to catch up nor starves them."""
    queue = FairQueue()
    for index in range(100):
        queue.add(item("old", index, tenant="old"))
    for _ in range(50):
        queue.take(1)
    for index in range(50):
        queue.add(item("new", index, tenant="new"))
    first = [row.tenant for _ in range(20) for row in queue.take(1)]
    assert 8 <= first.count("new") <= 12


def test_priority_goes_first_within_a_tenant() -> None:
    """A job of higher priority is served before the others of its tenant."""
    queue = FairQueue()
    for index in range(3):
        queue.add(item("plain", index))
    for index in range(3):
        queue.add(item("urgent", index, priority=5))
    assert [row.job_id for row in queue.take(6)] == ["urgent"] * 3 + ["plain"] * 3


def test_what_comes_back_goes_first() -> None:
    """An item that failed is the next of its job, or a poison file would wait behind hours of its own audio."""
    queue = FairQueue()
    for index in range(3):
        queue.add(item("job", index))
    (first,) = queue.take(1)
    queue.add(first, first=True)
    assert queue.take(1) == [first]


def test_the_earliest_deadline_goes_first() -> None:
    """Within a tenant and a priority deadlines decide; they take nothing from other tenants' share."""
    queue = FairQueue()
    for index in range(4):
        queue.add(item("whenever", index))
        queue.add(item("late", index, deadline_s=20.0))
        queue.add(item("soon", index, deadline_s=10.0))
        queue.add(item("urgent", index, priority=1))
        queue.add(item("other", index, tenant="b"))
    taken = [row.job_id for rows in iter(lambda: queue.take(1), []) for row in rows]
    assert [job for job in taken if job != "other"] == [
        job for job in ("urgent", "soon", "late", "whenever") for _ in range(4)
    ]
    assert taken[:8].count("other") == 4


def test_economy_rows_of_all_tenants_come_last() -> None:
    """A tenant that has got nothing yet waits with its economy rows for one that has got much; then they are shared."""
    queue = FairQueue()
    for index in range(3):
        queue.add(item("cheap", index, tenant="new", priority=100, economy=True))
        queue.add(item("cheap2", index, tenant="other", economy=True))
        queue.add(item("dear", index, tenant="busy", priority=-100))
    assert queue.economy_backlog_s == 180
    taken = [queue.take(1)[0].job_id for _ in range(9)]
    assert taken[:3] == ["dear"] * 3
    assert Counter(taken[3:5]) == {"cheap": 1, "cheap2": 1}
    assert (queue.backlog_s, queue.economy_backlog_s) == (0, 0)


def test_economy_rows_fill_up_a_batch() -> None:
    """What standard rows leave of a batch is not left empty."""
    queue = FairQueue()
    queue.add(item("cheap", 0, economy=True))
    queue.add(item("dear", 0))
    assert [row.job_id for row in queue.take(4)] == ["dear", "cheap"]


def test_a_promoted_job_is_a_standard_one() -> None:
    """Its rows go before those of other economy jobs, and are dropped with it."""
    queue = FairQueue()
    queue.add(item("first", 0, economy=True))
    queue.add(item("due", 0, economy=True))
    assert queue.promote("a", "due") == 1
    assert queue.economy_backlog_s == 30
    (row,) = queue.take(1)
    assert (row.job_id, row.economy) == ("due", False)
    assert queue.drop("a", "first") == 1
    assert len(queue) == 0
