"""Defer minutes at peak hours until prices are low, as long as they come before their deadline."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta

from pipelines.core import Minutes, Transcript
from pipelines.errors import MinutesParked
from pipelines.minutes.llm.writer import LlmWriter
from pipelines.minutes.protocol import MinutesOptions, PaidMinutes
from pipelines.minutes.provider.pricing import next_off_peak


class OffPeakWriter:
    """Writes as another writer does, but not at peak hours where the deadline allows to wait."""

    def __init__(self, writer: LlmWriter, *, wait: timedelta, clock: Callable[[], datetime]) -> None:
        """Take the longest ``wait`` after minutes were first requested, and a ``clock`` of aware times."""
        self._writer = writer
        self._wait = wait
        self._clock = clock

    def resume(self) -> None:
        """See `Resumable.resume`."""
        self._writer.resume()

    def take_calls(self) -> Mapping[str, int]:
        """See `PaidWriter.take_calls`."""
        return self._writer.take_calls()

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        """See `Writer.write`."""
        self._check(options)
        return await self._writer.write(transcript, options)

    async def write_paid(self, transcript: Transcript, options: MinutesOptions) -> PaidMinutes:
        """See `PaidWriter.write_paid`."""
        self._check(options)
        return await self._writer.write_paid(transcript, options)

    def _check(self, options: MinutesOptions) -> None:
        """Raise `MinutesParked` until prices are low again, if that is in time; what is wanted now never waits."""
        if options.asked_at_s is None:
            return
        now = self._clock()
        low = next_off_peak(now)
        if low > now and low.timestamp() <= options.asked_at_s + self._wait.total_seconds():
            raise MinutesParked(f"prices are low again at {low:%H:%M} UTC", low.timestamp())
