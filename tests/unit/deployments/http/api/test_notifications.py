"""Buckets that tell of new recordings: AWS, SNS, EventBridge, MinIO; and sweeps for what nobody told of."""

import asyncio
import json

import boto3
import pytest

from deployments.intake.bucket_events import ObjectCreated, objects_created
from deployments.sources.limits import SourceLimits
from deployments.sources.places import SourceCredential
from pipelines.errors import InvalidRequest
from tests.servers.s3 import s3_server

CALLS = SourceCredential(name="calls", url="s3://calls/eu", secret="id:secret", region="eu-1")
SENT = ObjectCreated(bucket="calls", key="eu/a b.wav", etag="e1", n_bytes=7)


def aws(key="eu/a+b.wav", etag="e1", name="ObjectCreated:Put", size=7):
    s3 = {"bucket": {"name": "calls"}, "object": {"key": key, "size": size, "eTag": etag, "sequencer": "1"}}
    return {"Records": [{"eventVersion": "2.1", "eventName": name, "s3": s3}]}


def minio():
    return {"EventName": "s3:ObjectCreated:Put", "Key": "calls/eu/a b.wav", **aws(name="s3:ObjectCreated:Put")}


def sns():
    return {"Type": "Notification", "Message": json.dumps(aws())}


def event_bridge():
    found = {"key": "eu/a b.wav", "size": 7, "etag": "e1"}
    return {"detail-type": "Object Created", "detail": {"bucket": {"name": "calls"}, "object": found}}


@pytest.mark.parametrize("event", [aws(), minio(), sns(), event_bridge()])
def test_shapes(event):
    """Every shape names the same object."""
    assert objects_created(json.dumps(event).encode()) == [SENT]


@pytest.mark.parametrize(
    "event",
    [{"Event": "s3:TestEvent"}, aws(name="ObjectRemoved:Delete"), {"detail-type": "Object Deleted"}, {"Records": []}],
)
def test_events_that_bring_nothing(event):
    """Test events and deletions are no error."""
    assert objects_created(json.dumps(event).encode()) == []


@pytest.mark.parametrize("body", ["", "[]", "{}", '{"Records": [{}]}', '{"Records": 3}', '{"Message": "x"}'])
def test_what_is_no_event(body):
    """Anything else is refused."""
    with pytest.raises(InvalidRequest):
        objects_created(body.encode())


async def test_a_subscription_is_not_confirmed(api, monkeypatch):
    """A SubscribeURL could lead anywhere: the operator confirms it, the server asks for no URL of an event."""
    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", lambda *args, **options: pytest.fail("looked up"))
    event = {
        "Type": "SubscriptionConfirmation",
        "Message": "You have chosen to subscribe to the topic.",
        "SubscribeURL": "http://169.254.169.254/latest/meta-data/",
        "Token": "t",
    }
    assert (await api.client.post("/v1/notifications/s3", json=event)).status_code == 400


@pytest.fixture
async def api(make_api):
    return await make_api(sources=SourceLimits(places=(CALLS,)))


async def test_an_object_becomes_a_job_once(api):
    """By bucket, key and eTag: the same event again repeats, new content is a new job."""
    first = (await api.client.post("/v1/notifications/s3?minutes=none", json=aws())).json()["objects"]
    again = (await api.client.post("/v1/notifications/s3?minutes=none", json=minio())).json()["objects"]
    changed = (await api.client.post("/v1/notifications/s3", json=aws(etag="e2"))).json()["objects"]
    other_options = (await api.client.post("/v1/notifications/s3", json=aws())).json()["objects"]
    assert [item[0]["outcome"] for item in (first, again, changed, other_options)] == [
        "accepted",
        "repeated",
        "accepted",
        "repeated",
    ]
    assert first[0]["job_id"] == again[0]["job_id"]
    job = api.ledger.get("default", first[0]["job_id"])
    assert (job.source_url, job.filename, job.options.minutes) == ("s3://calls/eu/a%20b.wav", "a b.wav", "none")
    assert job.options.source_patience_s == 600  # an event may be earlier than its object


async def test_what_is_not_to_be_pulled_is_ignored(api):
    """Other buckets, folders, empty objects and files beside recordings bring no job, and say so."""
    for key in ("us/a.wav", "eu/folder/", "eu/a.wav.json"):
        (item,) = (await api.client.post("/v1/notifications/s3", json=aws(key=key))).json()["objects"]
        assert (item["outcome"], item["job_id"]) == ("ignored", None)
        assert item["detail"]
    assert (await api.client.post("/v1/notifications/s3", json=aws(size=0))).json()["objects"] == []
    assert api.ledger.list(None).jobs == ()


@pytest.mark.parametrize("size", ["many", 1e999, [], {}, "\ud800"])
async def test_sizes_that_are_none(api, size):
    """An event whose object has no number for its size is not understood."""
    content = json.dumps(aws(size=size)).replace("Infinity", "1e999")
    answer = await api.client.post("/v1/notifications/s3", content=content)
    assert (answer.status_code, answer.json()["reason"]) == (400, "invalid_request")


async def test_bad_events_and_options(api):
    """Too large, unreadable, with options that are none."""
    assert (await api.client.post("/v1/notifications/s3", content=b"x" * (1 << 21))).status_code == 400
    assert (await api.client.post("/v1/notifications/s3", content=b"x")).status_code == 400
    assert (await api.client.post("/v1/notifications/s3?beam=1", json=aws())).status_code == 422


async def test_sidecars(make_api):
    """Options, external id and metadata stand beside the recording; wrong ones refuse it until they are mended."""
    with s3_server() as port:
        endpoint = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="eu-1", aws_access_key_id="id", aws_secret_access_key="secret"
        )
        client.create_bucket(Bucket="calls", CreateBucketConfiguration={"LocationConstraint": "eu-1"})  # type: ignore[typeddict-item]
        place = SourceCredential(
            name="c",
            url="s3://calls/eu",
            secret="id:secret",
            region="eu-1",
            endpoint=endpoint,
            sidecars=True,
            sidecar_fields=(("callId", "external_id"), ("who", "speakers"), ("q", "metadata.queue"), ("p", "priority")),
        )
        api = await make_api(sources=SourceLimits(places=(place,)))

        def put(name, **said):
            client.put_object(Bucket="calls", Key=f"eu/{name}.json", Body=json.dumps(said).encode())
            client.put_object(Bucket="calls", Key=f"eu/{name}.wav", Body=name.encode())

        async def tell(name):
            answer = await api.client.post("/v1/notifications/s3?minutes=none", json=aws(key=f"eu/{name}.wav"))
            return answer.json()["objects"][0]

        put("a", callId="c1", who="Agent, Customer", q="sales", other="is not read")
        noted = await tell("a")
        assert noted["outcome"] == "accepted", noted
        job = api.ledger.get("default", noted["job_id"])
        assert (job.options.speakers, job.options.minutes) == (("Agent", "Customer"), "none")
        assert (job.reference.external_id, job.reference.metadata) == ("c1", (("queue", "sales"),))
        put("b", p="soon")
        put("c", callId="c1")
        client.put_object(Bucket="calls", Key="eu/d.json", Body=b"{")
        client.put_object(Bucket="calls", Key="eu/e.json", Body=b" " * (1 << 17))
        reasons = [(await tell(name))["reason"] for name in "bcde"]
        assert reasons == ["invalid_option", "external_id_conflict", "invalid_sidecar", "invalid_sidecar"]
        put("b", p=3)
        swept = (await api.client.post("/v1/notifications/s3/sweep", json={"prefix": "s3://calls/eu/"})).json()
        outcomes = {item["source"]: item["outcome"] for item in swept["objects"]}
        assert outcomes["s3://calls/eu/b.wav"] == "accepted"
        assert (await tell("nothing-beside-it"))["outcome"] == "accepted"


async def test_a_sweep_takes_what_nobody_told_of(make_api):
    """Objects that an event brought are not taken again; afterwards nothing is left to take."""
    with s3_server() as port:
        endpoint = f"http://127.0.0.1:{port}"
        client = boto3.client(
            "s3", endpoint_url=endpoint, region_name="eu-1", aws_access_key_id="id", aws_secret_access_key="secret"
        )
        client.create_bucket(Bucket="calls", CreateBucketConfiguration={"LocationConstraint": "eu-1"})  # type: ignore[typeddict-item]
        etag = client.put_object(Bucket="calls", Key="eu/a b.wav", Body=b"RIFF")["ETag"].strip('"')
        client.put_object(Bucket="calls", Key="eu/c.wav", Body=b"RIFF")
        place = SourceCredential(name="c", url="s3://calls/eu", secret="id:secret", region="eu-1", endpoint=endpoint)
        api = await make_api(sources=SourceLimits(places=(place,)))
        await api.client.post("/v1/notifications/s3", json=aws(etag=etag))
        swept = (await api.client.post("/v1/notifications/s3/sweep", json={"prefix": "s3://calls/eu/"})).json()
        assert [item["source"] for item in swept["objects"]] == ["s3://calls/eu/c.wav"]
        again = (await api.client.post("/v1/notifications/s3/sweep", json={"prefix": "s3://calls/eu/"})).json()
        assert (again["objects"], again["more"], again["n_ignored"]) == ([], False, 0)
        client.put_object(Bucket="calls", Key="eu/c.txt", Body=b"The transcript of another system.")
        client.put_object(Bucket="calls", Key="eu/d.txt", Body=b"RIFF")
        third = (await api.client.post("/v1/notifications/s3/sweep", json={"prefix": "s3://calls/eu/"})).json()
        told = [(item["source"], item["outcome"], item["detail"]) for item in third["objects"]]
        by_name = "not a recording, by its name"
        assert told == [(f"s3://calls/eu/{key}.txt", "ignored", by_name) for key in ("c", "d")]
        assert third["n_ignored"] == 2
        for key, outcome in (("c", "ignored"), ("d", "accepted")):  # an event has the object looked into
            (item,) = (await api.client.post("/v1/notifications/s3", json=aws(key=f"eu/{key}.txt"))).json()["objects"]
            assert item["outcome"] == outcome
        assert (await api.client.post("/v1/notifications/s3/sweep", json={"prefix": "s3://x/"})).status_code == 422


async def test_the_server_says_how_long_an_object_is_waited_for(make_api):
    """Where the request does not."""
    api = await make_api(sources=SourceLimits(places=(CALLS,), callback_patience_s=7))
    (noted,) = (await api.client.post("/v1/notifications/s3", json=aws())).json()["objects"]
    assert api.ledger.get("default", noted["job_id"]).options.source_patience_s == 7
