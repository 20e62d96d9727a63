"""Waiting for low prices: at peak hours only, up to a deadline, and never when minutes are wanted now."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cluster.settings.settings import load_settings
from cluster.wiring.minutes_writers import build_writers
from deployments.artifacts.parked_minutes import DeferredMinutes
from deployments.ports import MinutesRequest, WrittenResults
from deployments.workers.minutes_writer import MinutesWriter
from pipelines.codec import encode
from pipelines.jobs.job import RESULT_FORMATS
from pipelines.minutes.llm.off_peak_writer import OffPeakWriter
from pipelines.minutes.llm.writer import LlmWriter
from pipelines.minutes.provider.off_peak import OffPeak
from pipelines.minutes.provider.pricing import is_peak, next_off_peak
from pipelines.storage.layout import JobKeys
from tests.fakes.deepseek_server import DeepSeekServer
from tests.fakes.ledger import MemoryLedger
from tests.fakes.store import MemoryStore
from tests.support.llm_lab import LabOptions, connected, meeting
from tests.support.virtual_time import AsgiStream

PEAK = datetime(2026, 11, 24, 7, 30, tzinfo=UTC)  # a Tuesday; low from 10:00
LOW = datetime(2026, 11, 24, 10, tzinfo=UTC)
REQUEST = MinutesRequest(
    tenant="acme", job_id="a1", title="Call", minutes="llm", language=None, asked_at_s=PEAK.timestamp()
)


@given(st.datetimes(datetime(2026, 1, 1), datetime(2027, 1, 1)).map(lambda at: at.replace(tzinfo=UTC)))
def test_the_next_low_price(at: datetime) -> None:
    """It is never at peak hours, never more than four hours away, and now where prices are low already."""
    low = next_off_peak(at)
    assert not is_peak(low)
    assert timedelta(0) <= low - at <= timedelta(hours=4)
    assert is_peak(at) == (low > at)
    assert not is_peak(at) or is_peak(low - timedelta(microseconds=1))


class Desk:
    """Stands for the Coordinator."""

    def __init__(self) -> None:
        self.followed: list[WrittenResults] = []

    async def minutes_followed(self, tenant: str, job_id: str, written: WrittenResults) -> None:
        self.followed.append(written)


async def test_parked_until_prices_are_low() -> None:
    """At peak hours minutes are parked and follow when prices are low, or at once when somebody says so."""
    store, server, now = MemoryStore(), DeepSeekServer(), [PEAK]
    for job_id in ("a1", "a2"):
        store.put(JobKeys(tenant="acme", job_id=job_id).transcript, encode(meeting(1)))
    async with connected(server, "http://provider", LabOptions(), AsgiStream(server)) as lab:
        patient = OffPeakWriter(lab.writer, OffPeak(wait=timedelta(hours=3), clock=lambda: now[0]))
        writer = MinutesWriter(store=store, writers={"llm": patient}, clock=lambda: now[0].timestamp())
        written = await writer.write(REQUEST)
        assert written.minutes is not None
        assert (written.minutes.state, written.minutes.note) == ("parked", "prices are low again at 10:00 UTC")
        desk = Desk()
        now[0] = LOW - timedelta(minutes=1)
        assert await writer.follow_up(desk) == 0
        assert server.tally.calls == 0
        now[0] = LOW
        assert await writer.follow_up(desk) == 1
        assert desk.followed[0].names == RESULT_FORMATS

        now[0] = PEAK
        await writer.write(replace(REQUEST, job_id="a2"))
        DeferredMinutes(store).request_resume()
        assert await writer.follow_up(desk) == 1


@pytest.mark.parametrize(("asked_at", "parked"), [(PEAK, True), (PEAK - timedelta(hours=1), False), (None, False)])
async def test_the_deadline_goes_before_the_price(asked_at: datetime | None, parked: bool) -> None:
    """Minutes that would come too late, or are wanted now, are written at any price."""
    store, server = MemoryStore(), DeepSeekServer()
    store.put(JobKeys(tenant="acme", job_id="a1").transcript, encode(meeting(1)))
    async with connected(server, "http://provider", LabOptions(), AsgiStream(server)) as lab:
        patient = OffPeakWriter(lab.writer, OffPeak(wait=timedelta(hours=3), clock=lambda: PEAK))
        writer = MinutesWriter(store=store, writers={"llm": patient}, clock=PEAK.timestamp)
        request = replace(REQUEST, asked_at_s=asked_at.timestamp() if asked_at else None)
        written = await writer.write(request)
        assert written.minutes is not None
        assert written.minutes.state == ("parked" if parked else "written")


def test_only_where_prices_change() -> None:
    """The setting takes effect with DeepSeek; a server of one's own has no peak hours."""
    waiting = {"minutes": {"off_peak_wait_h": 6}}
    settings = load_settings(env={"DEEPSEEK_API_KEY": "sk"}, flags=waiting)
    assert isinstance(build_writers(settings, "sk", MemoryStore(), MemoryLedger()).by_name["llm"], OffPeakWriter)
    own = load_settings(env={}, flags={"minutes": {"off_peak_wait_h": 6, "base_url": "http://gpu:8000/v1"}})
    assert isinstance(build_writers(own, None, MemoryStore(), MemoryLedger()).by_name["llm"], LlmWriter)
