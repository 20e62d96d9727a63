"""Batches from the command line: what to submit, the uploads of a folder, one progress bar over all recordings."""

import asyncio
import hashlib
import itertools
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cluster.client.http import ApiError, Client
from cluster.client.transcribe import clock
from deployments.schemas.batches import MAX_INLINE_BYTES
from pipelines.backoff import Backoff
from pipelines.errors import ConfigurationError, Reason

AUDIO_SUFFIXES = frozenset(
    {
        *(".3gp", ".aac", ".aif", ".aiff", ".amr", ".asf", ".au", ".caf", ".flac", ".m4a", ".mka", ".mkv", ".mov"),
        *(".mp3", ".mp4", ".oga", ".ogg", ".opus", ".w64", ".wav", ".webm", ".wma"),
    }
)
"""What is taken for a recording in a folder; anything else is submitted by naming it in a manifest."""
_UPLOADS = 4
_ROUND_S = 1.0
_BUSY = Backoff(first_s=2.0, longest_s=15.0)


def recordings_in(folder: Path) -> list[Path]:
    """Return the recordings below a folder, hidden ones left out, in order."""
    found = (path for path in folder.rglob("*") if path.suffix.lower() in AUDIO_SUFFIXES and path.is_file())
    return sorted(path for path in found if not any(part.startswith(".") for part in path.relative_to(folder).parts))


@dataclass(frozen=True, kw_only=True)
class BatchPlan:
    """The request that creates a batch: a JSON body, or a manifest with query parameters; idempotent by ``key``."""

    key: str
    body: dict[str, Any] = field(default_factory=dict)
    manifest: Path | None = None
    params: dict[str, Any] = field(default_factory=dict)


def plan(source: str, options: dict[str, Any], *, dry_run: bool) -> BatchPlan:
    """Plan a batch of a folder, a manifest or a prefix of a bucket; the same again is the same batch.

    Raises `ConfigurationError`.
    """
    if source.startswith("s3://"):
        body = {"name": source, "options": options, "dry_run": dry_run, "prefix": source}
        return BatchPlan(key=f"prefix-{_digest(body)}", body=body)
    path = Path(source)
    if path.is_dir():
        if dry_run:
            raise ConfigurationError("A dry run looks at recordings that the cluster can reach; a folder is uploaded.")
        return _folder(path, options)
    if not path.is_file():
        raise ConfigurationError(f"There is no file or folder {source}.")
    params = {"name": path.name, "dry_run": str(dry_run).lower(), **options}
    content = hashlib.sha256(path.read_bytes()).hexdigest()
    return BatchPlan(key=f"manifest-{_digest([content, params])}", manifest=path, params=params)


def _folder(folder: Path, options: dict[str, Any]) -> BatchPlan:
    """Upload a folder's recordings one by one, each into its entry."""
    names = {_name(folder, path): path for path in recordings_in(folder)}
    if not names:
        raise ConfigurationError(f"There are no recordings in {folder}.")
    entries = [{"filename": path.name, "custom_id": name} for name, path in names.items()]
    body = {"name": folder.absolute().name, "options": options, "entries": entries}
    state = [(name, path.stat().st_size, path.stat().st_mtime_ns) for name, path in names.items()]
    return BatchPlan(key=f"folder-{_digest([body, str(folder.absolute()), state])}", body=body)


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


async def upload_missing(client: Client, batch_id: str, folder: Path) -> list[str]:
    """Upload what the batch waits for; return what went wrong, by file. A server that is full is asked again."""
    paths = {_name(folder, path): path for path in recordings_in(folder)}
    places = asyncio.Semaphore(_UPLOADS)
    faults: list[str] = []

    async def upload(entry: dict[str, Any]) -> None:
        path = paths.get(entry["custom_id"])
        if path is None:
            faults.append(f"{entry['custom_id']}: not in {folder} any more")
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


class BatchBar:
    """Shows one progress bar over all recordings of a batch."""

    def __init__(self, console: Console) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[told]}"),
            TimeElapsedColumn(),
            console=console,
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
