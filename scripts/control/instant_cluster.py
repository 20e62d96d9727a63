"""``meetmemo`` with an engine that answers at once, and with replicas that count what they do.

Run as ``python -m instant_cluster`` with this folder on the path, so that it also starts the code of another checkout.
No setting selects this engine: it takes the Transcriber's place before the cluster is deployed. Every replica writes
its `Tally` into ``$MEETMEMO_HOME/tallies`` about once in `TALLY_INTERVAL_S`.
"""

import contextlib
import json
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from cluster.cli.main import main
from cluster.lifecycle import up
from pipelines.core import SAMPLE_RATE, ChunkResult, DecodedSegment, ModelInfo, Word
from pipelines.ledger.database import Database
from pipelines.storage.folder import LocalStore
from pipelines.whisper.options import DecodeRequest

TALLY_INTERVAL_S = 0.5
STORE_OPERATIONS = (
    "put",
    "put_all",
    "put_file",
    "get",
    "get_range",
    "open",
    "exists",
    "list",
    "delete",
    "delete_prefix",
)
LANGUAGE = "en"
WORDS_PER_S = 2.5  # as fast as people speak: results have the size of real ones


DEVICES, SPEED, STAND_IN = "BENCH_DEVICES", "BENCH_SPEED", "BENCH_STAND_IN"
"""Variables: the devices that each Transcriber pretends to have, the speed of one (audio seconds per second; 0: at
once), and whether recordings are cut by their length alone.
"""


class InstantEngine:
    """`pipelines.whisper.engine.Engine` that gives every row the same words without a look at its samples.

    It answers at once, or as slowly as a device of ``speed`` audio seconds per second.
    """

    info = ModelInfo(name="instant", sha256="0" * 64, compute_type="none", device="cpu")

    def __init__(self, speed: float = 0.0) -> None:
        self._speed = speed

    def warm_up(self) -> None:
        """Do nothing."""

    def resize(self, batch_size: int) -> None:
        """Do nothing: whatever comes is one batch."""

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        """Return one segment per row."""
        if self._speed:
            time.sleep(sum(len(row.pcm) for row in rows) / SAMPLE_RATE / self._speed)
        return [
            self.result(
                row.index,
                len(row.pcm),
                language=row.options.language or LANGUAGE,
                words=row.options.word_timestamps,
            )
            for row in rows
        ]

    def result(self, index: int, n_samples: int, *, language: str, words: bool) -> ChunkResult:
        """Return what a row of so many samples brings: one segment."""
        n_words = max(1, int(n_samples / SAMPLE_RATE * WORDS_PER_S))
        said = tuple(
            Word(
                text=f" word{number}",
                start_s=number / WORDS_PER_S,
                end_s=(number + 0.9) / WORDS_PER_S,
                probability=0.9,
            )
            for number in range(n_words)
        )
        segment = DecodedSegment(
            start_s=said[0].start_s,
            end_s=said[-1].end_s,
            text="".join(word.text for word in said),
            words=said if words else (),
        )
        return ChunkResult(
            index=index,
            language=language,
            segments=(segment,),
            avg_logprob=-0.1,
            no_speech_prob=0.0,
            compression_ratio=1.0,
            temperature=0.0,
        )


class Tally:
    """Counts of one process, and the seconds that some of its calls took; written to a file by a thread."""

    def __init__(self, home: Path, part: str) -> None:
        self.counts: Counter[str] = Counter()
        self.seconds: dict[str, list[float]] = {}
        self._path = home / "tallies" / f"{part}-{os.getpid()}.json"
        self._path.parent.mkdir(exist_ok=True)
        threading.Thread(target=self._write_on, daemon=True, name="tally").start()

    def count_storage(self) -> None:
        """Count the transactions of this process' ledger, and the calls of its store."""
        for name in ("writing", "reading"):
            _replace(Database, name, self._counting(f"ledger {name}"))
        for name in filter(partial(hasattr, LocalStore), STORE_OPERATIONS):  # another checkout may have fewer
            _replace(LocalStore, name, self._counting(f"store {name}"))

    def count_calls(self) -> None:
        """Count the calls of other deployments by this process, and what comes in answer to those that stream."""
        from ray.serve import handle  # once Ray's environment is prepared

        _replace(handle.DeploymentHandle, "remote", self._counting("ray calls"))
        _replace(handle.DeploymentResponseGenerator, "__anext__", self._counting("ray stream items"))

    @contextlib.contextmanager
    def timing(self, name: str) -> Iterator[None]:
        """Take the time of the block."""
        began_s = time.perf_counter()
        yield
        self.seconds.setdefault(name, []).append(time.perf_counter() - began_s)

    def _counting(self, what: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
        def around(function: Callable[..., Any]) -> Callable[..., Any]:
            def call(*args: Any, **kwargs: Any) -> Any:
                self.counts[what] += 1
                return function(*args, **kwargs)

            return call

        return around

    def _write_on(self) -> None:
        while True:
            time.sleep(TALLY_INTERVAL_S)
            text = json.dumps({"counts": dict(self.counts), "seconds": self.seconds})
            temporary = self._path.with_suffix(".new")
            temporary.write_text(text)
            temporary.replace(self._path)


def _replace(owner: type, name: str, around: Callable[[Callable[..., Any]], Callable[..., Any]]) -> None:
    setattr(owner, name, around(getattr(owner, name)))


class TimedSource:
    """The Coordinator as a Transcriber calls it; times its answers and counts rows."""

    def __init__(self, source: Any, tally: Tally) -> None:
        self._source = source
        self._tally = tally

    async def claim(self, *args: Any) -> Any:
        """Claim a batch."""
        with self._tally.timing("claim"):
            items = await self._source.claim(*args)
        self._tally.counts["claims" if items else "empty claims"] += 1
        self._tally.counts["rows"] += len(items)
        return items

    async def complete(self, *args: Any, **options: Any) -> Any:
        """Report a batch; the answer may bring the next one, which may be waited for."""
        with self._tally.timing("complete and wait" if options.get("wait_s") else "complete"):
            settled = await self._source.complete(*args, **options)
        self._tally.counts["rows"] += len(getattr(settled, "items", ()))
        return settled


def use_counting_replicas() -> None:
    """Put replicas that count, and Transcribers that answer at once, into the place of the application's own."""
    import instant_replicas  # by the name under which Ray's workers find it; it imports Ray

    import cluster.app

    for name in instant_replicas.REPLICAS:
        setattr(cluster.app, name, getattr(instant_replicas, name))
    real_share = cluster.app.share_of
    cluster.app.share_of = lambda *args, **named: instant_replicas.pretended(real_share(*args, **named))


if __name__ == "__main__":
    deployed = up.deployed

    def deployed_instantly(*args: Any, **kwargs: Any) -> Any:
        """Deploy the counting replicas, once Ray's environment is prepared."""
        use_counting_replicas()
        return deployed(*args, **kwargs)

    up.deployed = deployed_instantly
    main()
