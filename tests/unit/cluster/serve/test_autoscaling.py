"""How many replicas a model gets: what replicas tell of themselves, the rule, and Serve's policy around it."""

import threading
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.serve.autoscaling_policy import (
    BACKLOG_S,
    BATCH_AUDIO_S,
    BUSY,
    ECONOMY_BACKLOG_S,
    PARKED,
    SPEED,
    STANDARD_BUSY,
    BacklogPolicy,
)
from deployments.ports import Settled
from deployments.workers.decode_slots import DecodeSlots
from deployments.workers.transcriber import Transcriber
from pipelines.scheduling.replica_count import ECONOMY_CATCH_UP_S, replicas_wanted
from pipelines.storage.layout import JobKeys
from tests.fakes.ledger import ManualClock, MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.in_process_cluster import InProcessCluster
from tests.support.waiting import until

positive = st.floats(0.01, 1e5)
amount = st.floats(0, 1e7)


def decode(decode_slots: DecodeSlots, clock: ManualClock, seconds: float) -> None:
    with decode_slots.decoding():
        clock.advance(seconds)


def test_busy_is_a_share_of_all_lanes() -> None:
    clock = ManualClock()
    decode_slots = DecodeSlots(2, clock)
    decode(decode_slots, clock, 10)
    assert decode_slots.utilization() == pytest.approx(0.5)
    clock.advance(10)
    assert decode_slots.utilization() == pytest.approx(0.25)


def test_a_batch_that_goes_on_counts_so_far() -> None:
    clock = ManualClock()
    decode_slots = DecodeSlots(1, clock)
    with decode_slots.decoding() as n_busy:
        clock.advance(30)
        assert (n_busy, decode_slots.n_busy, decode_slots.longest_s, decode_slots.utilization()) == (1, 1, 30, 1)
    assert (decode_slots.n_busy, decode_slots.longest_s) == (0, 0)


def test_what_was_long_ago_is_forgotten() -> None:
    """Only the last minute counts."""
    clock = ManualClock()
    decode_slots = DecodeSlots(1, clock)
    for _ in range(60):
        decode(decode_slots, clock, 2)
        decode_slots.utilization()
    for _ in range(30):
        clock.advance(2)
        busy = decode_slots.utilization()
    assert busy == 0


def test_lanes_count_their_own_threads() -> None:
    """Two threads at once make two busy slots."""
    decode_slots = DecodeSlots(2)
    inside, leave = threading.Barrier(3), threading.Event()

    def occupy() -> None:
        with decode_slots.decoding():
            inside.wait(10)
            leave.wait(10)

    threads = [threading.Thread(target=occupy) for _ in range(2)]
    for thread in threads:
        thread.start()
    inside.wait(10)
    assert decode_slots.n_busy == 2
    leave.set()
    for thread in threads:
        thread.join(10)
    assert decode_slots.n_busy == 0


def test_the_speed_is_that_of_the_last_batches() -> None:
    decode_slots = DecodeSlots(1)
    assert (decode_slots.speed, decode_slots.batch_audio_s) == (0, 0)
    decode_slots.record_batch(0, 1)  # nothing was heard: says nothing
    for _ in range(20):
        decode_slots.record_batch(100, 10)
    for _ in range(16):
        decode_slots.record_batch(60, 2)
    assert (decode_slots.speed, decode_slots.batch_audio_s) == (30, 60)


@given(amount, amount, positive, positive, st.floats(0, 1e4))
def test_more_to_do_never_wants_fewer(less: float, more: float, speed: float, catch_up_s: float, busy: float) -> None:
    """Monotonic in the backlog; without one just what the work that goes on needs."""
    less, more = sorted((less, more))
    few, many = (
        replicas_wanted(busy=busy, backlog_s=backlog_s, speed=speed, catch_up_s=catch_up_s)
        for backlog_s in (less, more)
    )
    assert busy <= few <= many
    assert replicas_wanted(busy=busy, backlog_s=0, speed=speed, catch_up_s=catch_up_s) == busy


@given(amount, positive, positive)
def test_what_waits_is_done_in_time(backlog_s: float, speed: float, catch_up_s: float) -> None:
    """So many replicas, doing nothing else, take exactly that long."""
    wanted = replicas_wanted(busy=0, backlog_s=backlog_s, speed=speed, catch_up_s=catch_up_s)
    assert wanted * speed * catch_up_s == pytest.approx(backlog_s)


def test_no_rule_without_a_speed() -> None:
    with pytest.raises(ValueError, match="speed of 0"):
        replicas_wanted(busy=1, backlog_s=1, speed=0, catch_up_s=60)


def context(total_num_requests: float, *replicas: dict[str, float]) -> Any:
    """What the policy reads of Serve's context: a metric's values by replica."""
    names = {name for told in replicas for name in told}
    metrics = {name: {f"r{i}": told[name] for i, told in enumerate(replicas)} for name in names}
    return SimpleNamespace(total_num_requests=total_num_requests, aggregated_metrics=metrics)


def told(busy: float, speed: float, backlog_s: float, batch_audio_s: float = 0.0) -> dict[str, float]:
    return {BUSY: busy, SPEED: speed, BACKLOG_S: backlog_s, BATCH_AUDIO_S: batch_audio_s}


POLICY = BacklogPolicy(catch_up_s=60, calls_at_once=2, decode_slots=1)


def test_fresh_replicas_are_scaled_by_open_calls() -> None:
    """Until a speed was measured, and where nothing is told at all."""
    assert POLICY(context(6))[0] == 3
    assert POLICY(context(6, told(0, 0, 0)))[0] == 3


def test_a_backlog_is_shared_out() -> None:
    """Two busy replicas of 100 × real time and 30,000 s that wait: five more do them in a minute."""
    assert POLICY(context(4, told(1, 100, 30_000), told(1, 100, 29_000)))[0] == pytest.approx(7)


def test_replicas_that_have_not_measured_yet_do_not_slow_the_others() -> None:
    assert POLICY(context(4, told(1, 100, 6_000), told(0, 0, 0)))[0] == pytest.approx(2)


def test_open_calls_tell_what_replicas_have_not_heard() -> None:
    """Long batches: nobody has asked since the rush came, but five calls wait for a batch of 1,200 s each."""
    assert POLICY(context(6, told(1, 10, 0, batch_audio_s=1200)))[0] == pytest.approx(1 + 5 * 1200 / 600)


def test_calls_that_wait_for_work_are_no_work() -> None:
    """Of six open calls two are parked at replicas with nothing to do."""
    idle = {**told(0, 10, 0, batch_audio_s=1200), PARKED: 1}
    assert POLICY(context(6, idle, idle))[0] == pytest.approx(4 * 1200 / 600)
    assert POLICY(context(2, idle, idle))[0] == 0


def test_economy_work_holds_no_replica_but_the_last() -> None:
    """Two replicas with nothing but economy work: one may go; the last stays as long as there is such work."""
    cheap = {**told(1, 10, 0, batch_audio_s=300), STANDARD_BUSY: 0, ECONOMY_BACKLOG_S: 3600}
    wanted, _ = POLICY(context(4, cheap, cheap))
    assert 0 < wanted < 1


def test_economy_work_adds_replicas_where_it_would_be_late() -> None:
    """So much that one replica would take ten times as long as it may."""
    cheap = {**told(1, 10, 0), STANDARD_BUSY: 0, ECONOMY_BACKLOG_S: 10 * 10 * ECONOMY_CATCH_UP_S}
    assert POLICY(context(2, cheap))[0] == pytest.approx(10)


def test_the_share_of_standard_work() -> None:
    """A batch that is half economy work counts as busy in whole, and as standard in half."""
    clock = ManualClock()
    decode_slots = DecodeSlots(1, clock)
    with decode_slots.decoding(0.5):
        clock.advance(10)
    clock.advance(10)
    assert decode_slots.utilizations() == pytest.approx((0.5, 0.25))


def test_idle_replicas_may_go() -> None:
    assert POLICY(context(0, told(0, 100, 0, 1800), told(0.1, 100, 0, 1800)))[0] == pytest.approx(0.1)


async def test_a_transcriber_hears_what_waits() -> None:
    """It is told with every batch, and forgets it with its last call."""
    cluster = InProcessCluster(MemoryLedger(), MemoryStore())
    heard: list[float] = []
    complete = cluster.coordinator.complete

    async def listen(*args: Any, **options: Any) -> Settled:
        settled = await complete(*args, **options)
        heard.append(settled.backlog_s)
        return settled

    cluster.complete = listen
    cluster.engine.gate.clear()
    await cluster.coordinator.start()
    try:
        job = cluster.submit("j", range(1, 2000))  # more than all open calls claim at once
        await until(lambda: cluster.store.exists(JobKeys(tenant="t", job_id="j").summary))  # all is cut
        cluster.engine.gate.set()
        await cluster.ended(job)
    finally:
        await cluster.coordinator.stop()
    assert max(heard) > 0
    assert heard[-1] == 0
    transcriber: Transcriber = cluster.replicas[0]
    assert transcriber.backlog_s == 0
    assert transcriber.decode_slots.speed > 0
