"""Whisper models by name: where their weights are, whether they are whole, and how to fetch them.

A model is a folder in CTranslate2's format. `BUNDLED_MODELS` come with MeetMemo; the published names live under a
models directory as ``<models_dir>/<name>``, put there by `pipelines.models.download.pull` or by hand; any other
folder is named by its path. A folder may hold ``SHA256SUMS`` (what ``sha256sum`` writes) and ``meetmemo.json``
(`ModelProfile`), which says what CTranslate2's own files do not.
"""

import json
import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from pipelines.codec import decode
from pipelines.errors import ModelUnavailable, ModelUnknown
from pipelines.file_hash import hash_stream
from pipelines.models.profile import ModelProfile
from pipelines.validation import faults, told

BUNDLED_MODELS = ("mini-en", "mini-zh-en")
BUNDLED_DIR = Path(__file__).parent

SUMS_FILE = "SHA256SUMS"
PROFILE_FILE = "meetmemo.json"
WEIGHTS_FILE = "model.bin"
NEEDED_FILES = ("config.json", WEIGHTS_FILE, "tokenizer.json")
VOCABULARY_FILES = ("vocabulary.json", "vocabulary.txt")  # one of them; older conversions write the second

ENGLISH_ONLY_TOKENS = 51_864
"""Vocabulary size of OpenAI's English-only models and of those distilled from them; multilingual ones have more."""

# Name → repository on the Hugging Face hub; the same as faster-whisper's, so that names mean the same everywhere.
PUBLISHED_MODELS = {
    "tiny": "Systran/faster-whisper-tiny",
    "tiny.en": "Systran/faster-whisper-tiny.en",
    "base": "Systran/faster-whisper-base",
    "base.en": "Systran/faster-whisper-base.en",
    "small": "Systran/faster-whisper-small",
    "small.en": "Systran/faster-whisper-small.en",
    "medium": "Systran/faster-whisper-medium",
    "medium.en": "Systran/faster-whisper-medium.en",
    "large-v1": "Systran/faster-whisper-large-v1",
    "large-v2": "Systran/faster-whisper-large-v2",
    "large-v3": "Systran/faster-whisper-large-v3",
    "large-v3-turbo": "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
    "distil-small.en": "Systran/faster-distil-whisper-small.en",
    "distil-medium.en": "Systran/faster-distil-whisper-medium.en",
    "distil-large-v2": "Systran/faster-distil-whisper-large-v2",
    "distil-large-v3": "Systran/faster-distil-whisper-large-v3",
    "distil-large-v3.5": "distil-whisper/distil-large-v3.5-ct2",
}
ALIASES = {"large": "large-v3", "turbo": "large-v3-turbo"}

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class ModelFiles:
    """A model found on disk. ``sha256`` is that of its weights by ``SHA256SUMS``, "" where there is none."""

    name: str
    path: Path
    sha256: str = ""


@dataclass(frozen=True, kw_only=True)
class CatalogueEntry:
    """A model as ``meetmemo models list`` shows it; ``path`` is None and ``n_bytes`` 0 until it is on disk."""

    name: str
    path: Path | None
    n_bytes: int
    bundled: bool


def resolve(name: str, models_dir: Path) -> ModelFiles:
    """Find a model by catalogue name, by its folder's name in ``models_dir``, or by path.

    What contains a ``/`` or starts with ``~`` or ``.`` is a path. Only the presence of files is checked here, see
    `verify`. Raises `ModelUnknown` for a name that means nothing, `ModelUnavailable` when the weights are not there
    or incomplete; both say what to do.
    """
    if "/" in name or name.startswith(("~", ".")):
        path = Path(name).expanduser()
        if not path.is_dir():
            raise ModelUnavailable(f"there is no model folder {path}")
        return _model_at(path.name, path)
    name = ALIASES.get(name, name)
    if name in BUNDLED_MODELS:
        return _model_at(name, BUNDLED_DIR / name)
    path = models_dir / name
    if _NAME.fullmatch(name) and path.is_dir():
        return _model_at(name, path)
    if name not in PUBLISHED_MODELS:
        known = ", ".join((*BUNDLED_MODELS, *PUBLISHED_MODELS, *ALIASES))
        raise ModelUnknown(f"there is no model {name!r}; known are {known}, folders in {models_dir}, and paths")
    raise ModelUnavailable(
        f"the weights of {name!r} are not in {path}: run `meetmemo models pull {name}` on a machine with network "
        f"and copy the folder there, or point at a CTranslate2 model folder with --model /path/to/folder"
    )


def _model_at(name: str, path: Path) -> ModelFiles:
    if missing := missing_files(path):
        raise ModelUnavailable(f"the model in {path} is incomplete: {', '.join(missing)} missing")
    return ModelFiles(name=name, path=path, sha256=read_sums(path).get(WEIGHTS_FILE, ""))


def missing_files(path: Path) -> tuple[str, ...]:
    """Name the files that a CTranslate2 Whisper model needs and the folder lacks."""
    missing = [name for name in NEEDED_FILES if not (path / name).is_file()]
    if not any((path / name).is_file() for name in VOCABULARY_FILES):
        missing.append(VOCABULARY_FILES[0])
    return tuple(missing)


def verify(path: Path) -> tuple[str, ...]:
    """Check that a model folder is complete and every file in its ``SHA256SUMS`` is intact.

    Returns the names of the files whose hash was compared, none where the folder has no ``SHA256SUMS``.
    Raises `ModelUnavailable` naming every missing and damaged file.
    """
    sums = read_sums(path)
    faults = [f"{name} missing" for name in missing_files(path)]
    for name, expected in sums.items():
        if not (path / name).is_file():
            faults.append(f"{name} missing")
        elif file_sha256(path / name) != expected:
            faults.append(f"{name} damaged")
    if faults:
        raise ModelUnavailable(f"the model in {path} is not usable: {', '.join(dict.fromkeys(faults))}; fetch it again")
    return tuple(sums)


def read_sums(path: Path) -> dict[str, str]:
    """Parse the folder's ``SHA256SUMS``: file name → hex digest; raises `ModelUnavailable` on a malformed line."""
    try:
        lines = (path / SUMS_FILE).read_text().splitlines()
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise ModelUnavailable(f"{path / SUMS_FILE} cannot be read: {error}") from error
    sums = {}
    for line in filter(None, lines):
        match = re.fullmatch(r"([0-9a-f]{64})[ *]+([^/\\]+)", line)
        if match is None:
            raise ModelUnavailable(f"{path / SUMS_FILE} is malformed: {line[:80]!r}")
        sums[match[2]] = match[1]
    return sums


def write_sums(path: Path) -> None:
    """Write ``SHA256SUMS`` over the files of a model folder."""
    names = sorted(file.name for file in path.iterdir() if file.is_file() and file.name != SUMS_FILE)
    (path / SUMS_FILE).write_text("".join(f"{file_sha256(path / name)}  {name}\n" for name in names))


def weights_sha256(path: Path) -> str:
    """Return the SHA-256 (hex) of the weights: from ``SHA256SUMS``, else computed, which reads the whole file."""
    return read_sums(path).get(WEIGHTS_FILE) or file_sha256(path / WEIGHTS_FILE)


def file_sha256(path: Path) -> str:
    """Compute the SHA-256 (hex) of a file in bounded memory; raises `ModelUnavailable` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hash_stream(file)[1]
    except OSError as error:
        raise ModelUnavailable(f"{path} cannot be read: {error}") from error


def read_profile(path: Path) -> ModelProfile:
    """Read the folder's ``meetmemo.json``; an empty profile where there is none. Raises `ModelUnavailable`."""
    try:
        return decode(ModelProfile, (path / PROFILE_FILE).read_bytes())
    except FileNotFoundError:
        return ModelProfile()
    except ValidationError as error:
        raise ModelUnavailable(f"{path / PROFILE_FILE} cannot be used: {told(faults(error.errors()))}") from error
    except OSError as error:
        raise ModelUnavailable(f"{path / PROFILE_FILE} cannot be used: {error}") from error


def is_english_only(path: Path) -> bool:
    """Return whether the model in this folder is one of those that were published for English alone, by its vocabulary.

    Raises `ModelUnavailable` when that cannot be read.
    """
    try:
        for name in VOCABULARY_FILES:
            if (path / name).is_file():
                text = (path / name).read_text(encoding="utf-8")
                n_tokens = len(json.loads(text)) if name.endswith(".json") else text.count("\n")
                return n_tokens == ENGLISH_ONLY_TOKENS
    except (OSError, ValueError) as error:
        raise ModelUnavailable(f"the vocabulary in {path} cannot be read: {error}") from error
    return False


def list_models(models_dir: Path) -> tuple[CatalogueEntry, ...]:
    """List the bundled models, the published ones, then other complete folders of ``models_dir``."""
    others = sorted(
        path.name
        for path in (models_dir.iterdir() if models_dir.is_dir() else ())
        if _NAME.fullmatch(path.name)
        and path.name not in PUBLISHED_MODELS
        and path.is_dir()
        and not missing_files(path)
    )
    places = [(name, BUNDLED_DIR / name) for name in BUNDLED_MODELS]
    places += [(name, models_dir / name) for name in (*PUBLISHED_MODELS, *others) if name not in BUNDLED_MODELS]
    return tuple(_entry(name, path) for name, path in places)


def _entry(name: str, path: Path) -> CatalogueEntry:
    there = path.is_dir() and not missing_files(path)
    return CatalogueEntry(
        name=name,
        path=path if there else None,
        n_bytes=sum(file.stat().st_size for file in path.iterdir() if file.is_file()) if there else 0,
        bundled=name in BUNDLED_MODELS,
    )
