"""Backup and restoration between real servers: PostgreSQL and S3, SQLite and folders, in every direction."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import boto3
import pytest

from pipelines.backup.restore import restore_backup
from pipelines.backup.write import write_backup
from pipelines.ledger.open import open_ledger
from pipelines.storage.open import open_store
from tests.fakes.api_keys import OPERATOR
from tests.servers.postgres import PostgresServer, find_binaries
from tests.servers.s3 import s3_server
from tests.support.in_process_cluster import InProcessCluster, succeeded

BINARIES = find_binaries()
pytestmark = pytest.mark.skipif(BINARIES is None, reason="no PostgreSQL server (initdb, postgres) is installed")
Make = Callable[[str], str]


@pytest.fixture(scope="module")
def postgres() -> Iterator[PostgresServer]:
    assert BINARIES is not None, "else the tests are skipped"
    with PostgresServer(BINARIES) as server:
        yield server


@pytest.fixture(scope="module")
def s3_url() -> Iterator[str]:
    with pytest.MonkeyPatch.context() as environment, s3_server() as port:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        endpoint = f"http://127.0.0.1:{port}"
        client = boto3.client("s3", endpoint_url=endpoint, region_name="us-east-1")
        client.create_bucket(Bucket="meetmemo")
        client.close()
        yield f"s3://meetmemo/PREFIX?endpoint={endpoint}&region=us-east-1"


@pytest.fixture
def make_ledger_url(postgres: PostgresServer, tmp_path: Path) -> Make:
    def make(kind: str) -> str:
        name = f"t{uuid.uuid4().hex}"
        return postgres.url(name) if kind == "postgresql" else f"sqlite:///{tmp_path}/{name}.sqlite3"

    return make


@pytest.fixture
def make_store_url(s3_url: str, tmp_path: Path) -> Make:
    def make(kind: str) -> str:
        name = uuid.uuid4().hex
        return s3_url.replace("PREFIX", name) if kind == "s3" else f"file://{tmp_path}/{name}"

    return make


@pytest.mark.parametrize(
    ("source", "target", "place"),
    [
        (("postgresql", "s3"), ("postgresql", "s3"), "s3"),
        (("postgresql", "s3"), ("sqlite", "file"), "file"),
        (("sqlite", "file"), ("postgresql", "s3"), "s3"),
    ],
    ids=["postgresql to itself", "postgresql to sqlite", "sqlite to postgresql"],
)
async def test_a_cluster_is_restored_elsewhere_and_goes_on(
    make_ledger_url: Make,
    make_store_url: Make,
    source: tuple[str, str],
    target: tuple[str, str],
    place: str,
) -> None:
    """An ended job with its words and a queued one, from one kind of ledger and store to another; both are whole."""
    from_ledger, from_store = make_ledger_url(source[0]), open_store(make_store_url(source[1]))
    backup = open_store(make_store_url(place))
    with closing(open_ledger(from_ledger)) as ledger:
        cluster = InProcessCluster(ledger, from_store)
        await cluster.coordinator.start()
        try:
            done = cluster.submit("done", range(1, 40), word_timestamps=True)
            assert succeeded(await cluster.ended(done))
            await cluster.coordinator.drain(begin=True)
            waits = cluster.submit("waits", range(100, 140))
            write_backup(from_ledger, from_store, backup, version="1", by=OPERATOR)
        finally:
            await cluster.coordinator.stop()
    to_ledger, to_store = make_ledger_url(target[0]), open_store(make_store_url(target[1]))
    restore_backup(backup, to_ledger, to_store)
    with closing(open_ledger(to_ledger)) as ledger:
        assert ledger.get("t", "waits").state == "queued"
        other = InProcessCluster(ledger, to_store, owner="elsewhere")
        await other.coordinator.start()
        try:
            await other.coordinator.drain(begin=False)
            assert succeeded(await other.ended(done, waits))
        finally:
            await other.coordinator.stop()
        assert (other.words(done), other.words(waits)) == (list(range(1, 40)), list(range(100, 140)))
        assert [event.name for event in ledger.events("t", "done")][-1] == "succeeded"
        ledger.delete("t", "done")  # numbers its cost, beside those that were restored
        assert len(ledger.costs_of_deleted(0.0)) == 1
