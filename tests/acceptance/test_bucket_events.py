"""A recorder that puts its files into a bucket, with boto3, and a bucket that tells of them."""

import boto3
import httpx

from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS


def test_an_object_in_a_bucket_becomes_a_transcript(meetmemo: RunningMeetMemo, bucket_url: str) -> None:
    """The event brings a job that pulls the object with its source's credentials; told twice, it is one job."""
    client = boto3.client(
        "s3",
        endpoint_url=bucket_url,
        region_name="us-east-1",
        aws_access_key_id="recorder",
        aws_secret_access_key="any",
    )
    client.create_bucket(Bucket="recordings")
    client.upload_file(str(RECORDINGS / "short.mp3"), "recordings", "eu/call 1.mp3")
    etag = client.head_object(Bucket="recordings", Key="eu/call 1.mp3")["ETag"].strip('"')
    told = {"key": "eu/call+1.mp3", "eTag": etag, "size": (RECORDINGS / "short.mp3").stat().st_size}
    event = {
        "Records": [
            {"eventName": "ObjectCreated:Put", "s3": {"bucket": {"name": "recordings"}, "object": told}},
        ]
    }
    outcomes = [
        httpx.post(f"{meetmemo.url}/v1/notifications/s3", params={"minutes": "none"}, json=event, timeout=60)
        .raise_for_status()
        .json()["objects"][0]
        for _ in range(2)
    ]
    assert [one["outcome"] for one in outcomes] == ["accepted", "repeated"]
    job = meetmemo.finished(outcomes[0]["job_id"])
    assert (job["state"], job["filename"]) == ("succeeded", "call 1.mp3")
    assert job["source"]["n_bytes"] == told["size"]
