"""The blob store in a bucket, against a real S3 server, also one that misbehaves."""

import hashlib
import io
import pickle
import subprocess
import sys
import uuid

import boto3
import pytest
from botocore.awsrequest import AWSResponse
from moto.core import DEFAULT_ACCOUNT_ID
from moto.s3.models import s3_backends
from urllib3 import HTTPResponse

from pipelines.errors import BlobMissing, StoreUnavailable
from pipelines.storage.open import open_store
from pipelines.storage.s3 import PART_BYTES
from pipelines.storage.s3_client import connect
from pipelines.storage.s3_reader import READ_AHEAD_BYTES
from tests.contracts.s3_store import S3StoreContract
from tests.contracts.store import CONTENT
from tests.servers import free_port
from tests.servers.s3 import Fault, FaultyProxy, s3_server


@pytest.fixture(scope="module")
def server():
    with pytest.MonkeyPatch.context() as environment, s3_server() as port:
        environment.setenv("AWS_ACCESS_KEY_ID", "test")
        environment.setenv("AWS_SECRET_ACCESS_KEY", "test")
        environment.setenv("AWS_EC2_METADATA_DISABLED", "true")
        yield port


@pytest.fixture(scope="module")
def proxy(server):
    with FaultyProxy(server) as proxy:
        yield proxy
        assert proxy.n_faults == 0, "a fault was asked for and did not happen"


@pytest.fixture(scope="module")
def client(server):
    client = boto3.client("s3", endpoint_url=f"http://127.0.0.1:{server}", region_name="us-east-1")
    yield client
    client.close()


@pytest.fixture
def bucket(client):
    name = f"meetmemo-{uuid.uuid4().hex}"
    client.create_bucket(Bucket=name)
    return name


@pytest.fixture
def store(proxy, bucket):
    return open_store(f"s3://{bucket}/some/prefix?endpoint={proxy.url}&region=us-east-1")


class TestS3Store(S3StoreContract):
    """The contract of every store, in a bucket."""


def test_lists_more_than_a_page(store, bucket):
    """A listing goes on after the thousand keys that one reply holds."""
    keys = [f"t/j/chunks/{i:06d}.json" for i in range(1_005)]
    for key in keys:  # past the network, which would take most of a minute
        s3_backends[DEFAULT_ACCOUNT_ID]["aws"].put_object(bucket, f"some/prefix/{key}", b"{}")
    assert list(store.list("t/j/")) == keys


def test_upload_memory_is_bounded(bucket, server, tmp_path):
    """Uploading a file takes a few parts of memory, not the file's size."""
    path = tmp_path / "spool"
    store = open_store(f"s3://{bucket}?endpoint=http://127.0.0.1:{server}&region=us-east-1")
    n_bytes = 12 * PART_BYTES
    with open(path, "wb") as file:
        file.truncate(n_bytes)
    script = f"""
import pickle, resource, sys
from pathlib import Path
store = pickle.loads({pickle.dumps(store)!r})
store.check()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
store.put_file("t/j/source", Path({str(path)!r}))
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024)
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert int(done.stdout) < 6 * PART_BYTES
    assert store.exists("t/j/source")


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.RESET, Fault.TRUNCATE, Fault.CORRUPT])
def test_reading_survives_a_fault(store, proxy, fault):
    """A reply that fails, breaks off or differs from its checksum is fetched again."""
    store.put("a/b", CONTENT)
    proxy.misbehave(fault, 1, ("GET",))
    assert store.get("a/b") == CONTENT


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.RESET, Fault.TRUNCATE])
def test_range_survives_a_fault(store, proxy, fault):
    """A range that fails or breaks off is fetched again."""
    store.put("a/b", CONTENT)
    proxy.misbehave(fault, 1, ("GET",))
    assert store.get_range("a/b", 100, 500) == CONTENT[100:600]


@pytest.mark.parametrize("fault", [Fault.ERROR_500, Fault.RESET])
def test_writing_survives_a_fault(store, proxy, tmp_path, fault):
    """A write that gets no answer is repeated, for bytes and for files."""
    proxy.misbehave(fault, 1, ("PUT",))
    store.put("a/b", CONTENT)
    path = tmp_path / "spool"
    path.write_bytes(CONTENT)
    proxy.misbehave(fault, 1, ("PUT",))
    store.put_file("a/c", path)
    assert store.get("a/b") == store.get("a/c") == CONTENT


def test_bodies_are_signed_whatever_the_scheme():
    """Over https, too, a request carries the digest of its body: the checksum that every store verifies."""
    sent = []

    def answer(request, **_):
        data = request.body if isinstance(request.body, bytes) else request.body.read()
        sent.append((request.headers["x-amz-content-sha256"].decode(), hashlib.sha256(data).hexdigest()))
        return AWSResponse(request.url, 200, {"ETag": '"x"'}, HTTPResponse(io.BytesIO(), preload_content=False))

    client = connect(endpoint="https://store.invalid", key_id="id", secret="secret")
    client.meta.events.register("before-send.s3", answer)
    client.put_object(Bucket="bucket", Key="a", Body=io.BytesIO(CONTENT))
    client.upload_part(Bucket="bucket", Key="a", UploadId="u", PartNumber=1, Body=io.BytesIO(CONTENT[:100]))
    client.close()
    assert len(sent) == 2
    assert all(signed == actual for signed, actual in sent)


def test_lasting_corruption(store, proxy):
    """A blob that never matches its checksum is not handed out."""
    store.put("a/b", CONTENT)
    proxy.misbehave(Fault.CORRUPT, 3, ("GET",))
    with pytest.raises(StoreUnavailable, match="checksum"):
        store.get("a/b")


def test_lasting_errors(store, proxy):
    """A store that keeps failing is unavailable; the blob is not reported as missing."""
    store.put("a/b", CONTENT)
    proxy.misbehave(Fault.ERROR_500, 4, ("GET",))
    with pytest.raises(StoreUnavailable):
        store.get("a/b")
    assert store.get("a/b") == CONTENT


def test_nobody_listens():
    """A store that cannot be reached is unavailable to its check."""
    with pytest.raises(StoreUnavailable):
        open_store(f"s3://bucket?endpoint=http://127.0.0.1:{free_port()}&region=us-east-1").check()


def test_bucket_that_does_not_exist(store, server):
    """A missing bucket makes the store unavailable; it is no missing blob."""
    nowhere = open_store(f"s3://no-such-bucket?endpoint=http://127.0.0.1:{server}&region=us-east-1")
    for call in (
        nowhere.check,
        lambda: nowhere.get("a/b"),
        lambda: nowhere.put("a/b", b""),
        lambda: [*nowhere.list("")],
    ):
        with pytest.raises(StoreUnavailable) as caught:
            call()
        assert not isinstance(caught.value, BlobMissing)


@pytest.fixture(params=["dropped", "refused"])
def unconditional(request, proxy):
    """The server behind a proxy that takes conditions away, or says that it knows none."""
    proxy.conditions = request.param
    yield
    proxy.conditions = "passed on"


@pytest.mark.usefixtures("unconditional")
def test_store_without_conditional_writes(store):
    """A store that ignores or refuses conditions is found out, and claiming it works, one after the other."""
    assert not store.conditional_writes()
    assert store.claim("first") == "first"
    assert store.claim("second") == "first"
    assert list(store.list("")) == []


def test_probe_survives_a_lost_answer(store, proxy):
    """A store is not taken for one without conditional writes because an answer was lost and the write repeated."""
    proxy.misbehave(Fault.LOST_ANSWER, 1, ("PUT",))
    assert store.conditional_writes()


def test_claim_survives_a_lost_answer(store, proxy):
    """Who claimed a store and did not hear of it still has it."""
    assert store.conditional_writes()
    proxy.misbehave(Fault.LOST_ANSWER, 1, ("PUT",))
    assert store.claim("first") == "first"


def test_probe_says_when_the_store_is_away(store, proxy):
    """A store that fails is unavailable; nothing is concluded about its conditions."""
    proxy.misbehave(Fault.ERROR_500, 4, ("PUT",))
    with pytest.raises(StoreUnavailable):
        store.conditional_writes()
    assert store.conditional_writes()


def test_versions_are_told_apart_without_conditions(store, proxy):
    """Also where the store ignores that a reader wants one version, no stream mixes two."""
    proxy.conditions = "dropped"
    try:
        store.put("a/b", b"1" * (READ_AHEAD_BYTES + 10))
        with store.open("a/b") as stream:
            assert stream.read(1) == b"1"
            store.put("a/b", b"2" * (READ_AHEAD_BYTES + 10))
            with pytest.raises(StoreUnavailable, match="replaced"):
                stream.read()
    finally:
        proxy.conditions = "passed on"
