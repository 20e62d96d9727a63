"""The blob store in a bucket of OpenStack Swift: a real store that speaks S3, with its own idea of it."""

import uuid

import pytest

from pipelines.s3_client import connect
from pipelines.storage import open_store
from tests.contracts.s3_store import S3StoreContract
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
