"""Batches from the command line: what to submit, the uploads of a folder, one progress bar over all recordings."""

import asyncio
import hashlib
import itertools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.client.http import ApiError, Client
from cluster.client.recordings import LeftOut, Sorted, files_in, sort_out, why_left_out
from cluster.client.transcribe import clock
from deployments.schemas.batches import MAX_INLINE_BYTES
from pipelines.backoff import Backoff
from pipelines.errors import ConfigurationError, Reason

MANIFEST_SUFFIXES = (".jsonl", ".ndjson")
_UPLOADS = 4
_ROUND_S = 1.0
_BUSY = Backoff(first_s=2.0, longest_s=15.0)


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """The request that creates a batch: a JSON body, or a manifest with query parameters; idempotent by ``key``.

    ``uploads`` are the recordings that it uploads, by the ``custom_id`` of their entries; ``left_out`` the other files.
    """

    key: str
    body: dict[str, Any] = field(default_factory=dict)
    manifest: Path | None = None
    params: dict[str, Any] = field(default_factory=dict)
    uploads: Mapping[str, Path] = field(default_factory=dict)
    left_out: tuple[LeftOut, ...] = ()


def plan(source: str, options: dict[str, Any], *, dry_run: bool) -> BatchPlan:
    """Plan a batch of a folder, a recording, a manifest or a prefix of a bucket; the same again is the same batch.

    What a file is its content says. Raises `ConfigurationError`.
    """
    if source.startswith("s3://"):
        body = {"name": source, "options": options, "dry_run": dry_run, "prefix": source}
        return BatchPlan(key=f"prefix-{_digest(body)}", body=body)
    path = Path(source)
    if path.is_dir():
        return _uploaded(path, sort_out(files_in(path)), path.absolute().name, options)
    if not path.is_file():
        raise ConfigurationError(f"There is no file or folder {source}.")
    why = why_left_out(path)
    if not why:
        return _uploaded(path.parent, Sorted(recordings=(path,), left_out=()), path.name, options)
    if path.suffix.lower() not in MANIFEST_SUFFIXES and not why.endswith("text"):
        raise ConfigurationError(f"{source} {why}: neither a recording nor a manifest.")
    params = {"name": path.name, "dry_run": str(dry_run).lower(), **options}
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return BatchPlan(key=f"manifest-{_digest([content, params])}", manifest=path, params=params)


def _uploaded(folder: Path, found: Sorted, name: str, options: dict[str, Any]) -> BatchPlan:
    """Upload a folder's recordings one by one, each into its entry."""
    names = {_name(folder, path): path for path in found.recordings}
    if not names:
        raise ConfigurationError("\n".join([f"There are no recordings in {folder}.", *map(str, found.left_out)]))
    entries = [{"filename": path.name, "custom_id": name} for name, path in names.items()]
    body = {"name": name, "options": options, "entries": entries}
    state = [(name, path.stat().st_size, path.stat().st_mtime_ns) for name, path in names.items()]
    key = f"folder-{_digest([body, str(folder.absolute()), state])}"
    return BatchPlan(key=key, body=body, uploads=names, left_out=found.left_out)


def _name(folder: Path, path: Path) -> str:
    return str(path.relative_to(folder))[-255:]


def _digest(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()


async def submit(client: Client, planned: BatchPlan) -> dict[str, Any]:
    """Send a plan; return the batch."""
    if planned.manifest is not None:
        return await client.submit_manifest(planned.manifest, planned.params, planned.key)
    if len(json.dumps(planned.body)) <= MAX_INLINE_BYTES:
        return await client.submit_batch(planned.body, planned.key)
    lines = "".join(f"{json.dumps(entry)}\n" for entry in planned.body["entries"])
    params = {"name": planned.body["name"], **planned.body["options"]}
    return await client.submit_manifest(lines.encode(), params, planned.key)


async def upload_missing(client: Client, batch_id: str, paths: Mapping[str, Path]) -> list[str]:
    """Upload what the batch waits for; return what went wrong, by file. A server that is full is asked again."""
    places = asyncio.Semaphore(_UPLOADS)
    faults: list[str] = []

    async def upload(entry: dict[str, Any]) -> None:
        path = paths.get(entry["custom_id"])
        if path is None or not path.exists():
            faults.append(f"{entry['custom_id']}: not there any more")
            return
        async with places:
            for n_refusals in itertools.count(1):
                try:
                    await client.upload_entry(batch_id, entry["seq"], path)
                    return
                except ApiError as error:
                    if error.code not in (Reason.OVERLOADED, Reason.STORE_UNAVAILABLE, Reason.LEDGER_UNAVAILABLE):
                        faults.append(f"{entry['custom_id']}: {error}")
                        return
                except OSError as error:
                    faults.append(f"{entry['custom_id']}: {error}")
                    return
                await asyncio.sleep(_BUSY.delay_s(n_refusals))

    after: int | None = -1
    while after is not None:
        page = await client.batch_entries(batch_id, {"after": after, "state": "uploading", "limit": 500})
        await asyncio.gather(*(upload(entry) for entry in page["entries"]))
        after = page["next_after"]
    return faults


async def failed_entries(client: Client, batch_id: str, limit: int) -> list[dict[str, Any]]:
    """Return the first entries of a batch that failed; `limit` at most."""
    found: list[dict[str, Any]] = []
    after: int | None = -1
    while after is not None and len(found) < limit:
        page = await client.batch_entries(batch_id, {"after": after, "limit": 500})
        found += [entry for entry in page["entries"] if entry["state"] == "failed"]
        after = page["next_after"]
    return found[:limit]


class BatchBar:
    """Shows one progress bar over all recordings of a batch, on a terminal."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self._line = self._progress.add_task("batch", total=None, told="")

    def __enter__(self) -> "BatchBar":
        self._progress.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._progress.stop()

    def show(self, batch: dict[str, Any]) -> None:
        """Bring the bar up to date."""
        counts = batch["counts"]
        ended = sum(counts.get(state, 0) for state in ("succeeded", "failed", "cancelled", "dropped", "gone"))
        told = f"{clock(batch['done_s'])} of audio"
        if counts.get("failed"):
            told += f", [red]{counts['failed']} failed[/red]"
        if batch["eta_s"]:
            told += f", {clock(batch['eta_s'])} left"
        if batch["state"] != "running":
            told += f", {batch['state']}"
        self._progress.update(
            self._line, description=batch["name"] or "batch", total=batch["n_entries"], completed=ended, told=told
        )


async def watch(
    client: Client, batch_id: str, console: Console, until: "asyncio.Task[Any] | None" = None
) -> dict[str, Any]:
    """Show a batch's progress until every entry has ended, or it is paused or only estimated; return it.

    Uploads (``until``) that gave up leave entries that nothing is done about: then this ends too.
    """
    with BatchBar(console) as bar:
        while True:
            uploads_over = until is not None and until.done()  # before asking: they may end while the answer comes
            batch = await client.batch(batch_id)
            bar.show(batch)
            given_up = uploads_over and batch["counts"].get("uploading")
            if batch["finished"] or given_up or batch["state"] in ("paused", "estimated", "cancelled"):
                return batch
            await asyncio.sleep(_ROUND_S)
