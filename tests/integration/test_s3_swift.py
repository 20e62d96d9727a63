"""The blob store in a bucket of OpenStack Swift: a real store that speaks S3, with its own idea of it."""

import hashlib
import uuid

import pytest

from pipelines.errors import StoreUnavailable
from pipelines.storage.open import open_store
from pipelines.storage.s3 import PART_BYTES
from pipelines.storage.s3_client import connect
from tests.contracts.s3_store import S3StoreContract
from tests.servers.s3 import Fault, FaultyProxy
from tests.servers.swift import KEY_ID, SECRET, swift_server


@pytest.fixture(scope="module")
def server():
    with pytest.MonkeyPatch.context() as environment, swift_server() as port:
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
    return name


@pytest.fixture
def store(server, bucket):
    return open_store(f"s3://{bucket}/some/prefix?endpoint={server}&region=us-east-1")


class TestSwift(S3StoreContract):
    """The contract of every store in a bucket, by a server that was not written for tests."""

    atomic_claims = False  # it looks whether a key exists before it writes, and not again while it does


@pytest.mark.parametrize("n_bytes", [1000, PART_BYTES + 1000])
def test_damage_on_the_way_is_refused(server, bucket, tmp_path, n_bytes):
    """What arrives differs from the digest in its signature, of a whole file or of a part: nothing is stored."""
    path = tmp_path / "spool"
    path.write_bytes(bytes(n_bytes))
    sha256 = hashlib.sha256(bytes(n_bytes)).hexdigest()
    with FaultyProxy(int(server.rpartition(":")[2])) as proxy:
        store = open_store(f"s3://{bucket}?endpoint={proxy.url}&region=us-east-1")
        proxy.misbehave(Fault.CORRUPT_REQUEST, 1, ("PUT",))
        with pytest.raises(StoreUnavailable, match="SHA256"):
            store.put_file("a/b", path, sha256=sha256)
        assert not store.exists("a/b")
        store.put_file("a/b", path, sha256=sha256)
        assert store.get("a/b") == bytes(n_bytes)
