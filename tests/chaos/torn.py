"""Uploads that are torn at every door of a real cluster, and what stays of them: nothing."""

import random
import socket
import struct
import time
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import httpx

from pipelines.ledger.open import open_ledger
from pipelines.storage.layout import RESUMABLE_UPLOADS
from pipelines.storage.open import open_store
from tests.chaos.clusters import Cluster

MOST_SENT = 2_000_000
ANNOUNCED = MOST_SENT + 1
AT_ONCE = 12
PATIENCE_S = 60.0
TUS = {"Tus-Resumable": "1.0.0"}
_FORM = "multipart/form-data; boundary=torn"
_FORM_HEAD = b'--torn\r\nContent-Disposition: form-data; name="file"; filename="a.ogg"\r\n\r\n'


@dataclass(frozen=True, kw_only=True)
class Door:
    """Where an upload comes in; ``begin`` returns the path of a request that has one of its own."""

    name: str
    method: str
    path: str = ""
    content_type: str = "audio/ogg"
    head: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    begin: Callable[[str], str] | None = None


def _tus(url: str) -> str:
    headers = {**TUS, "Upload-Length": str(ANNOUNCED)}
    return _path_of(httpx.post(f"{url}/v1/uploads", headers=headers, timeout=60).raise_for_status().headers["location"])


def _presigned(url: str) -> str:
    wanted = {"n_bytes": ANNOUNCED, "filename": "a.ogg"}
    answer = httpx.post(f"{url}/v1/uploads/presigned", json=wanted, timeout=60).raise_for_status()
    return _path_of(answer.json()["url"])


def _path_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.path}?{parts.query}" if parts.query else parts.path


DOORS: tuple[Door, ...] = (
    Door(name="raw", method="POST", path="/v1/jobs"),
    Door(name="form", method="POST", path="/v1/jobs", content_type=_FORM, head=_FORM_HEAD),
    Door(name="recorder", method="PUT", path="/v1/recordings/call.ogg"),
    Door(name="openai", method="POST", path="/v1/audio/transcriptions", content_type=_FORM, head=_FORM_HEAD),
    Door(name="deepgram", method="POST", path="/deepgram/v1/listen"),
    Door(name="presigned", method="PUT", begin=_presigned),
    Door(
        name="tus",
        method="PATCH",
        content_type="application/offset+octet-stream",
        headers={**TUS, "Upload-Offset": "0"},
        begin=_tus,
    ),
)


@dataclass(frozen=True, kw_only=True)
class Torn:
    """What was torn, by door, and what is wrong afterwards."""

    n_torn: Counter[str]
    findings: Sequence[str]


def tear_uploads(cluster: Cluster, n_uploads: int, seed: int) -> Torn:
    """Tear so many uploads at doors and moments from a seed, then look for what is left."""
    draw = random.Random(seed)
    plan = [(DOORS[number % len(DOORS)], draw.randrange(MOST_SENT), draw.random() < 0.5) for number in range(n_uploads)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        findings = list(filter(None, threads.map(lambda one: _tear(cluster.url, *one), plan)))
    return Torn(n_torn=Counter(door.name for door, _, _ in plan), findings=[*findings, *_left(cluster)])


def _tear(url: str, door: Door, n_bytes: int, reset: bool) -> str:
    """Send the beginning of an upload, and go; return what is wrong then.

    What came of a resumable upload is to stay until its client gives it up, which is done at once.
    """
    path = door.begin(url) if door.begin else door.path
    parts = urlsplit(url)
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=60) as connection:
        headers = {"Host": parts.netloc, "Content-Type": door.content_type, "Content-Length": str(ANNOUNCED)}
        lines = "".join(f"{name}: {value}\r\n" for name, value in {**headers, **door.headers}.items())
        try:
            connection.sendall(f"{door.method} {path} HTTP/1.1\r\n{lines}\r\n".encode() + door.head)
            connection.sendall(b"OggS".ljust(n_bytes, b"\0"))
        except OSError:  # refused before its end: too many at once
            pass
        if reset:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    if door.name != "tus":
        return ""
    answer = httpx.delete(f"{url}{path}", headers=TUS, timeout=60)
    return "" if answer.status_code == httpx.codes.NO_CONTENT else f"DELETE: {answer.status_code} {answer.text}"


def _left(cluster: Cluster) -> list[str]:
    """Return what is left once everything that works has ended."""
    spool, store = cluster.home / "spool", open_store(cluster.store_url)
    deadline = time.monotonic() + PATIENCE_S
    while (left := [path.name for path in spool.iterdir()]) and time.monotonic() < deadline:
        time.sleep(0.2)
    findings = [f"the spool folder holds {len(left)} files: {left[:5]}"] if left else []
    if pieces := list(store.list(RESUMABLE_UPLOADS)):
        findings.append(f"{len(pieces)} blobs of resumable uploads that were given up: {pieces[:5]}")
    if sources := [key for key in store.list("") if key.endswith("/source")]:
        findings.append(f"{len(sources)} recordings in the store: {sources[:5]}")
    ledger = open_ledger(cluster.ledger_url)
    try:
        if n_jobs := sum(ledger.counts(None).values()):
            findings.append(f"{n_jobs} jobs of torn uploads")
    finally:
        ledger.close()
    return findings
