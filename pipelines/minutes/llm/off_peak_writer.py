"""Defer minutes at peak hours until prices are low, as long as they come before their deadline."""

from collections.abc import Mapping

from pipelines.core import Minutes, Transcript
from pipelines.minutes.llm.writer import LlmWriter
from pipelines.minutes.protocol import MinutesOptions, PaidMinutes
from pipelines.minutes.provider.off_peak import OffPeak


class OffPeakWriter:
    """Writes as another writer does, but not at peak hours where the deadline allows to wait."""

    def __init__(self, writer: LlmWriter, off_peak: OffPeak) -> None:
        self._writer = writer
        self._off_peak = off_peak

    def resume(self) -> None:
        """See `Resumable.resume`."""
        self._writer.resume()

    def take_calls(self) -> Mapping[str, int]:
        """See `PaidWriter.take_calls`."""
        return self._writer.take_calls()

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        """See `Writer.write`."""
        self._off_peak.check(options.asked_at_s)
        return await self._writer.write(transcript, options)

    async def write_paid(self, transcript: Transcript, options: MinutesOptions) -> PaidMinutes:
        """See `PaidWriter.write_paid`."""
        self._off_peak.check(options.asked_at_s)
        return await self._writer.write_paid(transcript, options)
