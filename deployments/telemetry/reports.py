"""Reports that actors send to the Coordinator along with their calls; `deployments.telemetry.counters` counts them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from pipelines.core import Usage
from pipelines.jobs.translations import TranslationState
from pipelines.storage.measured import StoreCall

MinutesOutcome = Literal["written", "none", "parked", "failed", "empty"]


@dataclass(frozen=True, kw_only=True)
class BatchReport:
    """One batch of a Transcriber.

    ``audio_s``: speech in its rows; ``suspect_s``: speech in rows whose text breaks a quality rule after every
    fallback; ``n_fallbacks``: rows that had to be decoded more than once. ``read_s``: until all samples
    were there; ``wait_s``: until the device was free; ``device_s``, ``cpu_s``: decoding.
    """

    n_rows: int
    max_rows: int
    audio_s: float
    read_s: float = 0.0
    wait_s: float = 0.0
    device_s: float = 0.0
    cpu_s: float = 0.0
    suspect_s: float = 0.0
    n_fallbacks: int = 0
    store_calls: tuple[StoreCall, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SpanTiming:
    """Seconds spent on one span: decoding its source, and finding and cutting its speech."""

    audio_s: float
    decode_s: float
    vad_s: float


@dataclass(frozen=True, kw_only=True)
class SegmentReport:
    """One recording's way through a Segmenter: the last element of its stream, where it was cut anew.

    ``damaged_s``: what the file had lost.
    """

    spans: tuple[SpanTiming, ...]
    damaged_s: float = 0.0
    store_calls: tuple[StoreCall, ...] = ()


@dataclass(frozen=True, kw_only=True)
class WritingReport:
    """One job's minutes, translations and documents.

    ``outcome`` is None where only translations were written, after the job's end. ``translations`` holds the state of
    each; ``calls`` counts calls of the language model by outcome (``ok`` or a fault).
    """

    outcome: MinutesOutcome | None
    writer: str = ""
    minutes_s: float = 0.0
    render_s: float = 0.0
    n_bytes: int = 0
    usage: Usage = field(default_factory=Usage)
    translations: tuple[TranslationState, ...] = ()
    calls: Mapping[str, int] = field(default_factory=dict)
    store_calls: tuple[StoreCall, ...] = ()
