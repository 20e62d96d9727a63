"""Remembers which encoder was chosen for a model on this machine, so that it is tried once and all replicas agree."""

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import get_args

import structlog
from platformdirs import user_cache_path

from pipelines.core import ModelInfo
from pipelines.models.devices import EncoderName, WindowLength, processor_features
from pipelines.storage.atomic_write import write_atomic
from pipelines.whisper.encoding.encoder import EncoderChoice

log = structlog.get_logger()

FOLDER = ".meetmemo"
"""Beside the model's files; where they cannot be written to, the user's cache takes its place."""
_RUNTIMES = ("ctranslate2", "openvino", "torch")


class EncoderMemory:
    """One model's choice on this machine: processor or GPU, number format and versions of the runtimes."""

    def __init__(self, model: Path, info: ModelInfo, *, pooling: int = 0, windows: WindowLength = "auto") -> None:
        """``pooling`` and ``windows`` are what was set; a choice holds for the same settings only."""
        facts = {
            "weights": info.sha256,
            "compute_type": info.compute_type,
            "device": info.device.partition(":")[0],
            "processor": processor_features(),
            "runtimes": {name: _version(name) for name in _RUNTIMES},
            "pooling": pooling,
            "windows": windows,
        }
        self._facts = facts
        digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]
        self._path = _folder_for(model, info.sha256) / f"encoder-{digest}.json"

    @contextmanager
    def held(self) -> Iterator["EncoderMemory"]:
        """Keep other processes from choosing at the same time: they wait, and find what was chosen.

        Where nothing can be written there is nothing to wait for: each chooses by itself.
        """
        with ExitStack() as stack:
            try:
                lock = stack.enter_context(self._path.with_suffix(".lock").open("w"))
                fcntl.flock(lock, fcntl.LOCK_EX)
            except OSError as error:
                log.warning("encoder choice not locked", path=str(self._path), error=str(error))
            yield self

    def recall(self) -> EncoderChoice | None:
        """Return what was chosen; None where nothing was, or it cannot be read."""
        try:
            found = json.loads(self._path.read_text())["choice"]
            choice = EncoderChoice(
                encoder=found["encoder"], pooling=int(found["pooling"]), short_windows=bool(found["short_windows"])
            )
            if choice.encoder in {*get_args(EncoderName)} - {"auto"} and choice.pooling >= 1:
                return choice
        except FileNotFoundError:
            return None
        except (OSError, ValueError, KeyError, TypeError) as error:
            log.warning("encoder choice unreadable", path=str(self._path), error=str(error))
        return None

    def remember(self, choice: EncoderChoice) -> None:
        """Keep a choice with the facts that it rests on; a full disk costs the next start another trial."""
        content = {"choice": asdict(choice), "facts": self._facts}
        try:
            write_atomic(self._path, json.dumps(content, indent=1), mode=0o644)
        except OSError as error:
            log.warning("encoder choice not kept", path=str(self._path), error=str(error))


def _folder_for(model: Path, sha256: str) -> Path:
    """Return the folder beside the model, or the user's cache where that cannot be written to."""
    beside = model / FOLDER
    try:
        beside.mkdir(exist_ok=True)
        if os.access(beside, os.W_OK):
            return beside
    except OSError:
        pass
    cached = user_cache_path("meetmemo") / "encoders" / sha256[:16]
    with suppress(OSError):  # found again where the choice is to be kept
        cached.mkdir(parents=True, exist_ok=True)
    return cached


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return ""
