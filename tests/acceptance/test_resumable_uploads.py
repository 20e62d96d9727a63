"""A resumable upload to a running cluster by the reference client, its connection cut in the middle of a piece."""

import socket
from urllib.parse import urlsplit

import httpx
from tusclient.client import TusClient

from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS

TUS = {"Tus-Resumable": "1.0.0"}


def test_upload_goes_on_after_a_cut_connection(meetmemo: RunningMeetMemo) -> None:
    """A piece breaks off with its connection; the client asks for the offset, sends the rest, and the job succeeds."""
    path = RECORDINGS / "short.mp3"
    with path.open("rb") as file:
        client = TusClient(f"{meetmemo.url}/v1/uploads")
        uploader = client.uploader(
            file_stream=file, chunk_size=4096, metadata={"filename": path.name, "minutes": "none"}
        )
        uploader.upload_chunk()
        location = uploader.url
    assert location is not None
    broken = path.read_bytes()[4096:8192]
    request = (
        f"PATCH {urlsplit(location).path} HTTP/1.1\r\nHost: localhost\r\nTus-Resumable: 1.0.0\r\n"
        f"Content-Type: application/offset+octet-stream\r\nUpload-Offset: 4096\r\nContent-Length: {len(broken)}\r\n\r\n"
    )
    with socket.create_connection(("127.0.0.1", meetmemo.port), timeout=30) as connection:
        connection.sendall(request.encode() + broken[:1000])
    with path.open("rb") as file:
        resumed = client.uploader(file_stream=file, url=location, chunk_size=1 << 20)
        assert 4096 <= resumed.offset < 8192
        resumed.upload()
    told = httpx.head(location, headers=TUS, timeout=30)
    assert told.headers["upload-offset"] == str(path.stat().st_size)
    job = meetmemo.finished(told.headers["x-meetmemo-job"])
    assert (job["state"], job["filename"]) == ("succeeded", "short.mp3")
