"""A resumable upload that begins on one host and goes on on another, which share PostgreSQL and a bucket, no folder."""

import asyncio
import hashlib
import random
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import boto3
import httpx
import pytest
from tusclient.client import TusClient

from deployments.intake.resumable.piece_writer import PIECE_BYTES
from pipelines.jobs.job import JobState
from pipelines.ledger.open import open_ledger
from pipelines.ledger.protocol import Ledger
from pipelines.storage.layout import RESUMABLE_UPLOADS, JobKeys
from pipelines.storage.open import open_store
from pipelines.storage.protocol import BlobStore
from tests.servers.network import Host, can_make_hosts, network
from tests.servers.postgres import PostgresServer, find_binaries
from tests.servers.s3 import s3_server
from tests.support.in_process_cluster import CODED_START, InProcessCluster
from tests.support.missing import missing
from tests.support.waiting import until

TUS = {"Tus-Resumable": "1.0.0"}
PORT, BUCKET = 8000, "recordings"
START_TIMEOUT_S = 300.0  # a machine that is busy with other things
NUMBERS = range(1, 61)


def recording(seed: str) -> bytes:
    """Numbers, each before much that is none: a piece that is lost or comes twice is heard."""
    draw = random.Random(seed)
    filler = [b" " + bytes(draw.choices(b"abcdefgh", k=230_000)) + b" " for _ in range(5)]
    return CODED_START + b"".join(str(number).encode() + filler[number % 5] for number in NUMBERS)


@dataclass
class Endpoint:
    """An endpoint on a host, whose disk has its spool folder."""

    host: Host
    disk: Path
    command: list[str]
    log: Path
    process: "subprocess.Popen[bytes] | None" = None

    @property
    def url(self) -> str:
        return f"http://{self.host.address}:{PORT}"

    @property
    def spooled(self) -> list[str]:
        return [path.name for path in self.disk.rglob("*") if path.is_file()]

    def start(self, seen: Path) -> None:
        """Start it; its disk lies where other hosts see theirs, at ``seen``."""
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.host.command(self.command, mounts={seen: self.disk}), stdout=log, stderr=log
            )

    def answers(self) -> bool:
        assert self.process is None or self.process.poll() is None, self.log.read_text()[-2000:]
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.url}/healthz", timeout=5).status_code == httpx.codes.OK
        return False

    def kill(self) -> None:
        """SIGKILL: nothing is cleaned up and no connection is ended by the server's own code."""
        if self.process is not None:
            self.process.kill()
            self.process.wait(timeout=30)


@dataclass
class Hosts:
    """Two endpoints, and what they share."""

    a: Endpoint
    b: Endpoint
    ledger: Ledger
    store: BlobStore

    @property
    def pieces(self) -> list[str]:
        return list(self.store.list(RESUMABLE_UPLOADS))


@pytest.fixture(scope="module")
def hosts(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hosts]:
    """Two hosts with disks of their own at the same path."""
    binaries = find_binaries()
    if binaries is None or not can_make_hosts():
        missing("needs PostgreSQL (initdb, postgres), root and network namespaces")
    folder = tmp_path_factory.mktemp("hosts")
    seen = folder / "spool"
    seen.mkdir()
    with ExitStack() as stack:
        enter = stack.enter_context
        environment = enter(pytest.MonkeyPatch.context())
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            environment.setenv(name, "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        net = enter(network("uploads"))
        ledger_url = enter(PostgresServer(binaries, host=net.gateway, network=net.subnet)).url("uploads")
        endpoint = f"http://{net.gateway}:{enter(s3_server(net.gateway))}"
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket=BUCKET)
        client.close()
        store_url = f"s3://{BUCKET}?endpoint={endpoint}&region=us-east-1"
        ledger = open_ledger(ledger_url)
        stack.callback(ledger.close)
        both = []
        for number, name in enumerate("ab", 1):
            (folder / name).mkdir()
            host = enter(net.host(number))
            what = (ledger_url, store_url, str(seen), host.address, str(PORT))
            command = [sys.executable, "-m", "tests.integration.endpoint_process", *what]
            both.append(Endpoint(host=host, disk=folder / name, command=command, log=folder / f"{name}.log"))
            stack.callback(both[-1].kill)
            both[-1].start(seen)
        yield Hosts(a=both[0], b=both[1], ledger=ledger, store=open_store(store_url))


@contextmanager
def never_ending(url: str, offset: int, data: bytes) -> Iterator[None]:
    """Send a piece that lacks its last byte; at the end of the block the client goes."""
    parts = urlsplit(url)
    head = (
        f"PATCH {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nTus-Resumable: 1.0.0\r\n"
        f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: {offset}\r\n"
        f"Content-Length: {len(data) + 1}\r\n\r\n"
    )
    with socket.create_connection((str(parts.hostname), parts.port or 80), timeout=60) as connection:

        def send() -> None:
            with suppress(OSError):  # the host is lost meanwhile
                connection.sendall(head.encode() + data)

        sender = threading.Thread(target=send, daemon=True)
        sender.start()
        try:
            yield
        finally:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            sender.join(timeout=60)


@pytest.mark.parametrize("how", ["cut off", "killed"])  # in this order: nobody starts the killed one again
async def test_an_upload_goes_on_on_another_host(how: str, hosts: Hosts, tmp_path: Path) -> None:
    """The first host is lost in the middle of a piece: the client goes on at the other, and one job has all bytes."""
    a, b = hosts.a, hosts.b
    await until(lambda: a.answers() and b.answers(), START_TIMEOUT_S)
    before = {job.id for job in hosts.ledger.list(None).jobs}
    audio = recording(how)
    path = tmp_path / "call.ogg"
    path.write_bytes(audio)
    first = PIECE_BYTES // 2
    with path.open("rb") as file:
        uploader = TusClient(f"{a.url}/v1/uploads").uploader(
            file_stream=file, chunk_size=first, metadata={"filename": path.name}
        )
        uploader.upload(stop_at=first)
    location = str(uploader.url)
    n_pieces = len(hosts.pieces)
    with never_ending(location, first, audio[first:-1000]):
        await until(lambda: len(hosts.pieces) > n_pieces)
        if how == "killed":
            a.kill()
        else:
            a.host.cut()
        with path.open("rb") as file:
            resumed = TusClient(f"{b.url}/v1/uploads").uploader(
                file_stream=file, url=location.replace(a.url, b.url), chunk_size=PIECE_BYTES
            )
            assert first + PIECE_BYTES <= resumed.offset < len(audio), "what had arrived is there"
            resumed.upload()
        a.host.mend()
    alive = [b]
    if how == "cut off":
        await until(a.answers, START_TIMEOUT_S)
        alive.append(a)
    (job,) = [job for job in hosts.ledger.list(None).jobs if job.id not in before]
    assert (job.source.n_bytes, job.source.sha256) == (len(audio), hashlib.sha256(audio).hexdigest())
    for endpoint in alive:
        url = location.replace(a.url, endpoint.url)
        told = await asyncio.to_thread(httpx.head, url, headers=TUS, timeout=60)
        assert told.headers["x-meetmemo-job"] == job.id
        assert told.headers["upload-offset"] == str(len(audio))
    assert hosts.store.get(JobKeys(tenant=job.tenant, job_id=job.id).source) == audio
    await until(lambda: not (hosts.pieces or a.spooled or b.spooled), START_TIMEOUT_S)

    cluster = InProcessCluster(hosts.ledger, hosts.store)
    await cluster.coordinator.start()
    try:
        (ended,) = await cluster.ended(job)
        assert ended.state is JobState.SUCCEEDED
        assert cluster.words(ended) == list(NUMBERS)
    finally:
        await cluster.coordinator.stop()
