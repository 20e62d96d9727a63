"""`JobUsage`: what a job took on our own machines: device and processor seconds, bytes."""

from collections.abc import Iterable
from dataclasses import dataclass, fields

from pipelines.core import ChunkResult, SourceSummary


@dataclass(frozen=True, kw_only=True)
class JobUsage:
    """Sums over a job's steps; attempts that failed or were decoded twice are in the metrics, not here.

    ``device_s``: its share of the batches that its chunks were decoded in, by length of speech; on a CPU the device is
    the machine. ``cpu_s``: decoding and cutting. ``result_bytes``: its documents. Tokens and
    money are in the job's `MinutesRecord`.
    """

    device_s: float = 0.0
    cpu_s: float = 0.0
    result_bytes: int = 0

    def __add__(self, other: "JobUsage") -> "JobUsage":
        return JobUsage(
            **{field.name: getattr(self, field.name) + getattr(other, field.name) for field in fields(JobUsage)}
        )


def transcription_usage(summary: SourceSummary, results: Iterable[ChunkResult]) -> JobUsage:
    """Return what cutting a source and decoding its chunks took."""
    results = tuple(results)
    return JobUsage(
        device_s=sum(result.device_s for result in results),
        cpu_s=summary.cpu_s + sum(result.cpu_s for result in results),
    )
