"""``meetmemo doctor --bundle``: one archive of what somebody who helps needs to see, without recordings and secrets.

Holds versions, findings, the resolved settings (secrets masked, passwords in URLs too), the names of the environment's
variables without their values, the last lines of logs, and the metrics of a running cluster.
"""

import io
import json
import os
import platform
import re
import sys
import tarfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict
from importlib.metadata import distributions
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
import yaml

from cluster import __version__
from cluster.lifecycle.doctor import Finding
from cluster.lifecycle.running_cluster import find_running
from cluster.settings.secrets import CLIENT_KEY, read_secret
from cluster.settings.settings import Settings
from cluster.settings.sources import process_environment
from pipelines.errors import ConfigurationError, MeetMemoError

MAX_LOG_BYTES = 1 << 20
METRICS_TIMEOUT_S = 10.0
MASK = "**********"
LOGS = ("cluster.log", "ray.log")
_SECRET_NAMES = re.compile(r"KEY|SECRET|TOKEN|PASSWORD|PASSWD|CREDENTIAL|DSN", re.IGNORECASE)
_URL = re.compile(r"(?<![a-z0-9+.-])[a-z][a-z0-9+.-]{0,30}://[^\s'\"<>]+")  # bounded: logs have long words


def write_bundle(path: Path, settings: Settings, findings: Iterable[Finding]) -> list[str]:
    """Write the archive (tar.gz), readable for this user only; return the names in it. Raises `ConfigurationError`."""
    secrets = sorted(_secret_values(process_environment()), key=len, reverse=True)
    names = []
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file, tarfile.open(fileobj=file, mode="w:gz") as archive:
            for name, text in _parts(settings, findings):
                content = masked(text, secrets).encode("utf-8", "replace")
                entry = tarfile.TarInfo(f"meetmemo-support/{name}")
                entry.size, entry.mode, entry.mtime = len(content), 0o600, int(time.time())
                archive.addfile(entry, io.BytesIO(content))
                names.append(name)
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be written: {error.strerror}.") from None
    return names


def masked(text: str, secrets: Iterable[str]) -> str:
    """Return a text without known secrets and without what URLs hold besides scheme, host and path."""
    for secret in secrets:
        text = text.replace(secret, MASK)
    return _URL.sub(lambda found: _plain_url(found[0]), text)


def _plain_url(url: str) -> str:
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
        query = MASK if parts.query else ""
        return urlunsplit((parts.scheme, f"{MASK}@{host}" if "@" in parts.netloc else host, parts.path, query, ""))
    except ValueError:
        return MASK


def _secret_values(env: Mapping[str, str]) -> Iterator[str]:
    """Yield values of variables that are named like secrets, and what the files hold that they name."""
    for name, value in env.items():
        if not _SECRET_NAMES.search(name) or len(value) < 6:
            continue
        yield value
        if name.endswith("_FILE"):
            try:
                secret = read_secret(name.removesuffix("_FILE"), {name: value})
            except ConfigurationError:
                continue
            yield from (part for part in (secret or "").split() if len(part) >= 6)


def _parts(settings: Settings, findings: Iterable[Finding]) -> Iterator[tuple[str, str]]:
    yield "versions.json", json.dumps(_versions(), indent=2)
    yield "doctor.json", json.dumps([asdict(finding) for finding in findings], indent=2)
    yield "settings.yaml", yaml.safe_dump(settings.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    yield "environment.txt", "".join(f"{name}\n" for name in sorted(process_environment()))
    for name in LOGS:
        yield name, _end_of(settings.run_dir / name)
    yield from _of_running(settings)


def _versions() -> dict[str, Any]:
    packages = {found.metadata["Name"]: found.version for found in distributions() if found.metadata["Name"]}
    return {
        "meetmemo": __version__,
        "python": sys.version,
        "system": platform.platform(),
        "packages": dict(sorted(packages.items(), key=lambda package: package[0].lower())),
    }


def _end_of(path: Path) -> str:
    try:
        with path.open("rb") as file:
            file.seek(max(0, path.stat().st_size - MAX_LOG_BYTES))
            return file.read().decode("utf-8", "replace")
    except OSError as error:
        return f"{error.strerror}\n"


def _of_running(settings: Settings) -> Iterator[tuple[str, str]]:
    try:
        running = find_running(settings)
    except MeetMemoError as error:
        yield "readyz.json", str(error)
        return
    if running is None:
        yield "readyz.json", "no cluster of this home runs\n"
        return
    key = read_secret(CLIENT_KEY, process_environment())
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    for name, address in (("readyz.json", "/readyz"), ("metrics.txt", "/metrics")):
        try:
            answer = httpx.get(f"{running.url}{address}", headers=headers, timeout=METRICS_TIMEOUT_S)
            yield name, answer.text
        except httpx.HTTPError as error:
            yield name, f"{error or type(error).__name__}\n"
