"""The Transcriber: one process per device, its model loaded and warm; claims a batch when the device is free.

On a CPU a batch occupies one core (a slot), and as many are decoded at once as there are slots: no core waits for the
slowest row of another's batch, and CTranslate2's threads need not meet after every layer.
"""

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, TypeVar

import numpy as np
import numpy.typing as npt
import structlog

from deployments.ports import Outcome, Settled, WorkSource
from deployments.telemetry import tracing
from deployments.telemetry.reports import BatchReport
from deployments.workers.decode_slots import DecodeSlots
from deployments.workers.exclusive_slot import ExclusiveSlot
from deployments.workers.shard_turns import ShardTurns
from pipelines.codec import encode
from pipelines.core import SAMPLE_BYTES, ChunkResult, ModelInfo
from pipelines.errors import DeviceLost, MeetMemoError, StorageError, StoreUnavailable, TimedOut
from pipelines.models.device_faults import is_device_lost, is_out_of_memory
from pipelines.scheduling.batch_size import AdaptiveBatchSize
from pipelines.scheduling.shards import index_named
from pipelines.scheduling.work_item import WorkItem
from pipelines.storage.layout import JobKeys
from pipelines.storage.measured import MeasuredStore
from pipelines.storage.protocol import BlobStore
from pipelines.whisper.options import DecodeOptions, DecodeRequest, temperatures_from

if TYPE_CHECKING:
    from pipelines.whisper.engine import Engine

log = structlog.get_logger()
_READERS = 8
PULL_S = 10.0
"""A pull claims no other batch after so many seconds."""
WAIT_S = 2.0
"""A pull without work stays so long: opening another one takes several messages of Serve's."""

T = TypeVar("T")


@dataclass
class _Batch:
    """Measurements of a batch on the device; times are those of ``clock``.

    ``decode_slots`` is the number of the device's slots, ``busy_slots`` how many of them decoded when this batch began,
    its own included.
    """

    clock: Callable[[], float]
    began_s: float
    decode_slots: int = 1
    busy_slots: int = 1
    device_s: float = 0.0
    cpu_s: float = 0.0
    suspect_s: float = 0.0
    n_fallbacks: int = 0
    outcomes: list[Outcome] = field(default_factory=list)
    heard: list[tuple[WorkItem, ChunkResult]] = field(default_factory=list)

    @contextlib.contextmanager
    def decoding(self) -> Iterator[None]:
        """Count what the engine takes: of the device its slot, of the process's processor time its share."""
        wall_s, cpu_s = self.clock(), time.process_time()
        try:
            yield
        finally:
            self.device_s += (self.clock() - wall_s) / self.decode_slots
            self.cpu_s += (time.process_time() - cpu_s) / self.busy_slots

    def shared(self, items: Sequence[WorkItem], results: Sequence[ChunkResult]) -> list[ChunkResult]:
        """Return results with their shares of the batch's time; counts what went wrong in them."""
        audio_s = sum(item.audio_s for item in items) or 1.0
        self.suspect_s += sum(item.audio_s for item, result in zip(items, results, strict=True) if result.suspect)
        self.n_fallbacks += sum(1 for result in results if result.n_attempts > 1)
        return [
            replace(result, device_s=self.device_s * item.audio_s / audio_s, cpu_s=self.cpu_s * item.audio_s / audio_s)
            for item, result in zip(items, results, strict=True)
        ]


class Transcriber:
    """Runs the batches of one device, one in each of its ``decode_slots``.

    Meanwhile the next one is claimed and read, and the results of the last one are stored. Where pulls of several
    shards wait, each claims when it is its turn. A batch that decodes longer than ``hang_s``, or finds the device lost,
    makes `check` fail, so that the replica is replaced; until then one without a device claims nothing. Where
    ``most_rows`` leaves room, batches grow from ``max_rows`` while that makes the device faster; where its memory does
    not suffice they shrink.
    """

    def __init__(
        self,
        *,
        name: str,
        engine: "Engine",
        store: BlobStore,
        source: WorkSource,
        max_rows: int,
        most_rows: int = 0,
        decode_slots: int = 1,
        hang_s: float = 3600.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engine = engine
        self._store = MeasuredStore(store)
        self._source = source
        self._batch_size = AdaptiveBatchSize(max_rows, most_rows)
        self._info = ModelInfo(
            name=name, sha256=engine.info.sha256, compute_type=engine.info.compute_type, device=engine.info.device
        )
        self._hang_s = hang_s
        self._device_fault = ""
        self._clock = clock
        self.decode_slots = DecodeSlots(decode_slots, clock)
        self.n_parked = 0  # pulls that wait for work, about
        self._n_pulls: Counter[int] = Counter()  # by shard
        self._backlogs: dict[int, Settled] = {}  # of shards with pulls here, when their last batches were reported
        self._turns = ShardTurns(decode_slots + 1)
        self._slot = ExclusiveSlot()
        # As many threads as slots: a call that was given up still occupies its slot until it returns.
        self._device = ThreadPoolExecutor(decode_slots, thread_name_prefix="device")
        self._pool = ThreadPoolExecutor(_READERS, thread_name_prefix="store")

    def resize(self, max_rows: int, most_rows: int = 0) -> None:
        """Claim and decode so many rows at once from the next batch on, and grow from there up to ``most_rows``."""
        self._engine.resize(max_rows)
        self._batch_size = AdaptiveBatchSize(max_rows, most_rows)

    async def work(self, pull_id: str) -> int:
        """Claim a batch, transcribe it, store each result, report; return the number of rows.

        While others wait, the report brings the next one, for `PULL_S` seconds: Serve, which counts calls and waits
        for their ends before it stops a replica, sees a call end every so often. Raises `DeviceLost`, and then the
        batch is another replica's.
        """
        self._check_device()
        shard = index_named(pull_id) or 0
        self._n_pulls[shard] += 1
        try:
            async with self._turns.turn(shard):
                return await self._work(pull_id, shard)
        finally:
            self._n_pulls[shard] -= 1
            if not self._n_pulls[shard]:
                self._backlogs.pop(shard, None)  # what waited is others' work, or done

    @property
    def backlog_s(self) -> float:
        """Audio seconds that waited for this model when the last batches were reported, of all shards."""
        return sum(settled.backlog_s for settled in self._backlogs.values())

    @property
    def economy_backlog_s(self) -> float:
        """Audio seconds of economy work that waited besides."""
        return sum(settled.economy_backlog_s for settled in self._backlogs.values())

    async def _work(self, pull_id: str, shard: int) -> int:
        n_rows, until_s = 0, self._clock() + PULL_S
        max_rows = self._batch_size.size
        items = await self._claim(pull_id, max_rows)
        while items:
            outcomes, report = await self._transcribed(items, max_rows)
            n_rows += len(items)
            max_rows = self._batch_size.size
            left_s = until_s - self._clock()
            goes_on = left_s > 0 and not self._device_fault
            passes_on = goes_on and self._turns.others_wait(shard)
            more = max_rows if goes_on and not passes_on else 0
            # No more pulls are parked than slots are free, so that what comes goes to a replica that is idle.
            wait_s = min(WAIT_S, left_s) if more and self._n_pulls.total() <= self.decode_slots.n_slots else 0.0
            self.n_parked += wait_s > 0
            try:
                with self._turns.lent() if wait_s else contextlib.nullcontext():
                    settled = await self._source.complete(
                        pull_id, self._info, outcomes, report, max_items=more, wait_s=wait_s
                    )
            finally:
                self.n_parked -= wait_s > 0
            self._backlogs[shard] = replace(settled, items=())
            items = settled.items
            if passes_on and settled.backlog_s + settled.economy_backlog_s > 0:
                await self._turns.pass_on(shard)
                items = await self._claim(pull_id, max_rows)
        return n_rows

    async def _claim(self, pull_id: str, max_rows: int) -> tuple[WorkItem, ...]:
        self._check_device()  # it may have been lost while the pull waited for its turn
        return await self._source.claim(pull_id, self._info, max_rows)

    async def _transcribed(self, items: Sequence[WorkItem], max_rows: int) -> tuple[tuple[Outcome, ...], BatchReport]:
        """Transcribe a claimed batch and store its results; return its outcomes and what it took."""
        log.debug(
            "batch",
            action="decode",
            model=self._info.name,
            chunks=[(item.tenant, item.job_id, item.chunk.index) for item in items],
        )
        claimed_s = self._clock()
        heard = await asyncio.gather(*(self._in_pool(item) for item in items))
        outcomes = [unread for unread in heard if isinstance(unread, Outcome)]
        ready = [read for read in heard if not isinstance(read, Outcome)]
        read_s = self._clock()
        async with self._slot.acquire(exclusive=items[0].alone):
            batch = await asyncio.get_running_loop().run_in_executor(self._device, self._timed, ready)
            outcomes += await self._keep_all(batch)  # the slot decodes the next batch meanwhile
        report = BatchReport(
            n_rows=len(items),
            max_rows=max_rows,
            audio_s=sum(item.audio_s for item in items),
            read_s=read_s - claimed_s,
            wait_s=batch.began_s - read_s,
            device_s=batch.device_s,
            cpu_s=batch.cpu_s,
            suspect_s=batch.suspect_s,
            n_fallbacks=batch.n_fallbacks,
            store_calls=self._store.take_calls(),
        )
        self.decode_slots.record_batch(report.audio_s, report.device_s)
        if self._batch_size.record_batch(report.n_rows, report.audio_s, report.device_s):
            self._engine.resize(self._batch_size.size)
            log.info("batches", action="resize", model=self._info.name, rows=self._batch_size.size)
        for job_id, parent in {item.job_id: item.traceparent for item in items}.items():
            n_rows = sum(item.job_id == job_id for item in items)
            tracing.past_span("transcribe", parent, batch.device_s, job_id=job_id, rows=n_rows, batch_rows=len(items))
        return tuple(outcomes), report

    def close(self) -> None:
        """End the threads, after the batches and blobs that they work on. Blocks."""
        self._device.shutdown()
        self._pool.shutdown()

    def check(self) -> None:
        """Raise `DeviceLost`, or `TimedOut` while a batch hangs on the device: this process must be replaced."""
        self._check_device()
        if self.decode_slots.longest_s > self._hang_s:
            raise TimedOut(f"a batch has been decoding for more than {self._hang_s:g} seconds")

    def _check_device(self) -> None:
        if self._device_fault:
            raise DeviceLost(self._device_fault)

    def _lose_device(self, error: RuntimeError) -> DeviceLost:
        fault = str(error).partition("\n")[0]  # torch adds advice for developers
        if not self._device_fault:  # by another slot
            self._device_fault = f"{self._info.device} is lost to this process: {fault}"
            log.error("device lost", action="decode", device=self._info.device, error=fault)
        return DeviceLost(self._device_fault)

    def _timed(self, ready: Sequence[tuple[WorkItem, npt.NDArray[np.int16]]]) -> _Batch:
        audio_s = sum(item.audio_s for item, _ in ready)
        standard_s = sum(item.audio_s for item, _ in ready if not item.economy)
        with self.decode_slots.decoding(standard_s / audio_s if audio_s else 1.0) as n_busy:
            batch = _Batch(
                clock=self._clock, began_s=self._clock(), decode_slots=self.decode_slots.n_slots, busy_slots=n_busy
            )
            self._decode(ready, batch)
        return batch

    async def _in_pool(self, item: WorkItem) -> tuple[WorkItem, npt.NDArray[np.int16]] | Outcome:
        """Read an item's samples; an outcome instead says why they could not be read."""
        try:
            return item, await asyncio.get_running_loop().run_in_executor(self._pool, self._read_pcm, item)
        except StorageError as error:
            return Outcome(item=item, error=str(error), retry=isinstance(error, StoreUnavailable))

    def _decode(self, ready: Sequence[tuple[WorkItem, npt.NDArray[np.int16]]], batch: _Batch) -> None:
        """Decode a batch of one task into its ``outcomes``, or into ``heard``, which is to be stored."""
        if not ready:
            return
        self._check_device()  # it may have been lost since this batch was claimed
        rows = [DecodeRequest(pcm=pcm, index=item.chunk.index, options=_options(item)) for item, pcm in ready]
        items = [item for item, _ in ready]
        try:
            with batch.decoding():
                results = self._within_memory(self._engine.transcribe, rows)
        except MeetMemoError as error:
            batch.outcomes = [Outcome(item=item, error=str(error)) for item in items]
            return
        except RuntimeError as error:
            if not is_device_lost(error):
                raise
            raise self._lose_device(error) from error
        batch.heard = list(zip(items, batch.shared(items, results), strict=True))

    def _within_memory(
        self, call: Callable[[Sequence[DecodeRequest]], list[T]], rows: Sequence[DecodeRequest]
    ) -> list[T]:
        """Ask the engine; where the device's memory does not suffice for the features, for fewer rows from now on."""
        try:
            return call(rows)
        except RuntimeError as error:
            if not is_out_of_memory(error) or len(rows) == 1:
                raise
        half = (len(rows) + 1) // 2
        self.resize(min(self._batch_size.size, half))
        log.warning("batches", action="shrink", model=self._info.name, rows=self._batch_size.size)
        return self._within_memory(call, rows[:half]) + self._within_memory(call, rows[half:])

    async def _keep_all(self, batch: _Batch) -> list[Outcome]:
        """Store the results; return the whole batch's outcomes."""
        loop = asyncio.get_running_loop()
        stored = (loop.run_in_executor(self._pool, self._keep, item, result) for item, result in batch.heard)
        return [*batch.outcomes, *await asyncio.gather(*stored)]

    def _keep(self, item: WorkItem, result: ChunkResult) -> Outcome:
        """Store a result before it is reported; what is reported is never lost."""
        if result.error:
            return Outcome(item=item, error=result.error)
        keys = JobKeys(tenant=item.tenant, job_id=item.job_id)
        try:
            named = replace(result, model=self._info)
            self._store.put(keys.chunk(item.chunk.index, item.input_digest), encode(named))
        except StoreUnavailable as error:
            return Outcome(item=item, error=str(error), retry=True)
        return Outcome(item=item, passages=result.passages if item.is_voting else ())

    def _read_pcm(self, item: WorkItem) -> npt.NDArray[np.int16]:
        """Return the chunk's pieces joined end to end: int16 ``[n_samples]``."""
        chunk = item.chunk
        assert item.samples is not None, "a row names its samples"
        data = self._store.get_range(
            item.samples.key, (chunk.start - item.samples_from) * SAMPLE_BYTES, (chunk.end - chunk.start) * SAMPLE_BYTES
        )
        pcm = np.frombuffer(data, dtype="<i2")
        return np.concatenate([pcm[piece.start - chunk.start : piece.end - chunk.start] for piece in chunk.pieces])


def _options(item: WorkItem) -> DecodeOptions:
    return DecodeOptions(
        language=item.language,
        languages=item.languages,
        expected=item.expected,
        min_language_probability=item.min_language_probability,
        task="translate" if item.translate else "transcribe",
        word_timestamps=item.word_timestamps,
        beam_size=item.beam_size,
        temperatures=temperatures_from(item.temperature),
        prompt=item.prompt,
    )
