"""Fetching published Whisper models from the Hugging Face hub, checked and put in place whole or not at all."""

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import HfApi, hf_hub_download
from tqdm.auto import tqdm

from pipelines.errors import ModelUnavailable, ModelUnknown
from pipelines.models.catalogue import ALIASES, PUBLISHED_MODELS, file_sha256, missing_files, verify, write_sums

Progress = Callable[[int, int], None]

_WANTED = (
    "config.json",
    "preprocessor_config.json",
    "model.bin",
    "tokenizer.json",
    "vocabulary.json",
    "vocabulary.txt",
)
_CONNECT_TIMEOUT_S = 10.0


def pull(name: str, models_dir: Path, progress: Progress | None = None, *, endpoint: str | None = None) -> Path:
    """Fetch a published model into ``<models_dir>/<name>`` and return that folder.

    A complete and intact copy is kept as it is. The files arrive in a folder beside the final one, are compared
    with the hub's hashes, get a ``SHA256SUMS`` and are moved in place in one step, so that a pull cut short leaves
    nothing half-done. ``progress`` is called with bytes done and bytes in all. ``endpoint`` is the hub's address, by
    default what ``HF_ENDPOINT`` says. Raises `ModelUnknown` for a name that is not published, `ModelUnavailable`
    when the hub cannot be reached, the disk is too full, or what came is damaged.
    """
    name = ALIASES.get(name, name)
    if name not in PUBLISHED_MODELS:
        raise ModelUnknown(f"{name!r} cannot be fetched; published are {', '.join((*PUBLISHED_MODELS, *ALIASES))}")
    target = models_dir / name
    if target.is_dir() and _intact(target):
        return target
    try:
        models_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".pull-{name}-", dir=models_dir) as scratch:
            arrived = Path(scratch) / name
            _download(PUBLISHED_MODELS[name], arrived, progress or (lambda done, total: None), endpoint)
            if target.exists():
                target.rename(Path(scratch) / "replaced")
            arrived.rename(target)
    except OSError as error:
        raise ModelUnavailable(f"{name!r} cannot be stored under {models_dir}: {error}") from error
    return target


def _intact(path: Path) -> bool:
    try:
        return bool(verify(path))
    except ModelUnavailable:
        return False


def _download(repository: str, folder: Path, progress: Progress, endpoint: str | None) -> None:
    try:
        info = HfApi(endpoint=endpoint).model_info(repository, files_metadata=True, timeout=_CONNECT_TIMEOUT_S)
        siblings = [sibling for sibling in info.siblings or () if sibling.rfilename in _WANTED]
    except Exception as error:  # the hub's client raises those of whichever HTTP library it was built on
        raise _unreachable(repository, error) from error
    total = sum(sibling.size or 0 for sibling in siblings)
    free = shutil.disk_usage(folder.parent).free
    if total > free:
        raise ModelUnavailable(f"{repository} needs {total >> 20} MiB and {folder.parent} has {free >> 20} MiB free")
    report = _meter(progress, total)
    for sibling in siblings:
        try:
            hf_hub_download(
                repository,
                sibling.rfilename,
                revision=info.sha,
                local_dir=folder,
                endpoint=endpoint,
                etag_timeout=_CONNECT_TIMEOUT_S,
                tqdm_class=report,
            )
        except OSError as error:
            if error.errno is not None and error.filename is not None:  # the disk's fault, not the network's
                raise
            raise _unreachable(repository, error) from error
        except Exception as error:  # as above
            raise _unreachable(repository, error) from error
        if sibling.lfs is not None and file_sha256(folder / sibling.rfilename) != sibling.lfs.sha256:
            raise ModelUnavailable(f"{sibling.rfilename} of {repository} arrived damaged; fetch it again")
    shutil.rmtree(folder / ".cache", ignore_errors=True)  # the client's own book-keeping
    if missing := missing_files(folder):
        raise ModelUnavailable(f"{repository} lacks {', '.join(missing)}: it is no CTranslate2 Whisper model")
    write_sums(folder)
    progress(total, total)


def _unreachable(repository: str, error: Exception) -> ModelUnavailable:
    return ModelUnavailable(
        f"{repository} cannot be fetched from the hub ({type(error).__name__}: {error}). Without network, fetch it "
        f"elsewhere and copy the folder into the models directory, or use the bundled model"
    )


def _meter(progress: Progress, total: int) -> type[Any]:
    """Make the silent progress-bar class that the hub's client feeds, passing byte counts on to ``progress``."""
    done = 0

    class Meter(tqdm):  # type: ignore[misc]  # tqdm ships no types
        def __init__(self, *args: Any, **options: Any) -> None:
            options["disable"] = True
            options.pop("name", None)
            super().__init__(*args, **options)

        def update(self, n: float | None = 1) -> None:
            nonlocal done
            done += int(n or 0)
            progress(min(done, total), total)

    return Meter
