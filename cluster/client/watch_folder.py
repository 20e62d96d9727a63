"""``meetmemo watch``: recordings that appear in a folder are submitted once they are complete."""

import asyncio
import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from glob import escape
from pathlib import Path
from types import MappingProxyType
from typing import Any

from cluster.client.http import ApiError, Client
from cluster.client.recordings import files_in, why_left_out
from deployments.schemas.option_values import given
from pipelines.errors import InvalidSidecar, Reason
from pipelines.jobs.sidecar import read_sidecar, sidecar_names

BLOCK_BYTES = 1 << 20
_OTHER_OPTIONS = (
    "was submitted before with other options, and is not transcribed anew; "
    "`meetmemo transcribe` or `batch submit` does so"
)
RETRY_REASONS = frozenset(
    {
        Reason.OVERLOADED,
        Reason.DRAINING,
        Reason.STORE_UNAVAILABLE,
        Reason.INSUFFICIENT_STORAGE,
        Reason.LEDGER_UNAVAILABLE,
        Reason.REQUEST_IN_FLIGHT,
        Reason.INTERNAL,
    }
)


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A file as it was at a look; one that is the same at the next is complete."""

    n_bytes: int
    changed_ns: int


class Watcher:
    """Scans a folder again and again; ``told`` is called with the outcome of each file.

    A recording is submitted under the hash of its name and content, so that restarts and copies of the same file do no
    harm. Options stand in a sidecar (`pipelines.jobs.sidecar`) beside it, over those of all, in names of its own where
    ``fields`` translates them. Files that were taken go to ``done``, keeping their place below the folder; without it
    they stay. Other files stay too, and are told of once; ``n_left`` counts them and recordings that were refused.
    """

    def __init__(
        self,
        client: Client,
        folder: Path,
        *,
        options: Mapping[str, str | list[str]],
        done: Path | None,
        told: Callable[[str], None],
        fields: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        self._client = client
        self._folder = folder
        self._options = options
        self._done = done
        self._told = told
        self._fields = fields
        self._seen: dict[Path, Seen] = {}
        self._ended: dict[Path, Seen] = {}
        self.n_left = 0

    async def look(self) -> int:
        """Submit what is complete and new; return how many."""
        n_taken = 0
        for path, seen in await asyncio.to_thread(lambda: list(self._complete())):
            n_taken += await self._submit(path, seen)
        return n_taken

    def _complete(self) -> Iterator[tuple[Path, Seen]]:
        """Yield new files whose size and time have not changed since the last scan."""
        last, self._seen = self._seen, {}
        for path in files_in(self._folder):
            if self._done is not None and path.is_relative_to(self._done):
                continue
            try:
                state = path.stat()
            except FileNotFoundError:
                continue
            seen = self._seen[path] = Seen(n_bytes=state.st_size, changed_ns=state.st_mtime_ns)
            if last.get(path) == seen and self._ended.get(path) != seen and not self._is_left_out(path, seen):
                yield path, seen

    def _is_left_out(self, path: Path, seen: Seen) -> bool:
        """Say whether a file is no recording, and tell of it, unless it is a recording's sidecar."""
        why = why_left_out(path)
        if why and path.exists() and not self._is_sidecar(path):
            self._leave(path, seen, f"left out, {why}")
        return bool(why)

    def _is_sidecar(self, path: Path) -> bool:
        """Say whether options of a recording beside it stand in a file."""
        if path.suffix != ".json":
            return False
        others = (other for other in path.parent.glob(f"{escape(path.stem)}*") if other != path and other.is_file())
        return any(path.name in sidecar_names(other.name) and not why_left_out(other) for other in others)

    def _leave(self, path: Path, seen: Seen, why: str) -> None:
        self._ended[path] = seen
        self.n_left += 1
        self._told(f"{path.relative_to(self._folder)}: {why}")

    async def _submit(self, path: Path, seen: Seen) -> bool:
        name = str(path.relative_to(self._folder))
        try:
            key, options = await asyncio.to_thread(self._prepare, path)
            job = await self._client.submit(path, options, key)
        except ApiError as error:
            if error.code in RETRY_REASONS:
                return False  # the next look tries again
            self._leave(path, seen, _OTHER_OPTIONS if error.code == Reason.IDEMPOTENCY_CONFLICT else str(error))
            return False
        except (OSError, InvalidSidecar) as error:
            self._leave(path, seen, str(error))
            return False
        self._ended[path] = seen
        self._told(f"{name} → {job['id']}")
        if self._done is not None:
            await asyncio.to_thread(self._put_away, path, self._done)
        return True

    def _prepare(self, path: Path) -> tuple[str, dict[str, str | list[str]]]:
        """Return the idempotency key of a recording and its options."""
        digest = hashlib.sha256(path.name.encode())
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
        sidecar = next(_sidecars(path), None)
        own = read_sidecar(sidecar.read_bytes(), self._fields) if sidecar else {}
        return f"watch/{digest.hexdigest()}", {
            **self._options,
            **{name: _text(value) for name, value in given(own).items()},
        }

    def _put_away(self, path: Path, done: Path) -> None:
        siblings = (other for other in path.parent.glob(f"{escape(path.stem)}.*") if other != path and other.is_file())
        others = {other.stem for other in siblings if not why_left_out(other)}
        for file in (path, *_sidecars(path)):
            if file.name == f"{path.stem}.json" and path.stem in others:
                continue  # call.mp3 beside call.wav has the same one
            target = done / file.relative_to(self._folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            file.replace(target)


def _sidecars(path: Path) -> Iterator[Path]:
    """Return the sidecars that a recording has."""
    return (found for name in sidecar_names(path.name) if (found := path.with_name(name)).is_file())


def _text(value: Any) -> str | list[str]:
    """Return a JSON value as a query parameter."""
    if isinstance(value, list) and all(isinstance(item, str) and "," not in item for item in value):
        return value
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
