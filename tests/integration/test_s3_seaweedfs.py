"""The blob store in a bucket of SeaweedFS, the store that the compose file starts, with the arguments from there."""

import threading
import uuid
from pathlib import Path

import pytest
import yaml

from pipelines.storage.open import open_store
from pipelines.storage.s3_client import connect
from pipelines.storage.s3_conditional import put_new
from tests.contracts.s3_store import S3StoreContract
from tests.servers.seaweedfs import BUCKET, KEY_ID, SECRET, seaweedfs_server

COMPOSE = Path(__file__).parents[2] / "configs" / "docker" / "compose.yaml"


@pytest.fixture(scope="module")
def server():
    service = yaml.safe_load(COMPOSE.read_text())["services"]["store"]
    with pytest.MonkeyPatch.context() as environment, seaweedfs_server(service["command"]) as port:
        environment.setenv("AWS_ACCESS_KEY_ID", KEY_ID)
        environment.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield f"http://127.0.0.1:{port}"


@pytest.fixture(scope="module")
def client(server):
    client = connect(endpoint=server)
    yield client
    client.close()


@pytest.fixture
def bucket(client):
    name = f"meetmemo-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    yield name
    for item in client.list_objects_v2(Bucket=name).get("Contents", []):
        client.delete_object(Bucket=name, Key=item["Key"])
    client.delete_bucket(Bucket=name)


@pytest.fixture
def store(server, bucket):
    return open_store(f"s3://{bucket}/some/prefix?endpoint={server}&region=us-east-1")


class TestSeaweedFS(S3StoreContract):
    """The contract of every store in a bucket."""

    by_folder = True  # its filer is a tree of folders


def test_the_bucket_of_the_compose_file_is_there(server):
    """It is made at the start, with the keys from the environment: no second container has to make it."""
    store = open_store(f"s3://{BUCKET}?endpoint={server}")
    store.put("a/b", b"1")
    assert store.get("a/b") == b"1"


def test_of_writes_in_the_same_moment_one_wins(client, bucket):
    """``If-None-Match: *`` is decided under a lock (SeaweedFS 4.16 let all of them through)."""
    for round_number in range(5):
        won = []
        start = threading.Barrier(6)

        def write(name=f"claim-{round_number}", won=won, start=start):
            start.wait(timeout=30)
            won.append(put_new(client, bucket, name, b"x"))

        writers = [threading.Thread(target=write) for _ in range(6)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(timeout=60)
        assert sorted(won) == [False] * 5 + [True]
