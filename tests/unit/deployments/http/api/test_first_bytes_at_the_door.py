"""What is no recording is refused from its first bytes, by every way in, before the rest of it comes."""

import base64
import hashlib

import pytest

from tests.support.api_harness import Connection

PDF = b"%PDF-1.7\n" + bytes(70_000)
PAGE = b"<!DOCTYPE html><html><body>Please log in.</body></html>"
ANNOUNCED = 50 << 20
RAW = {"content-type": "application/octet-stream", "content-length": str(ANNOUNCED)}
FORM = {"content-type": "multipart/form-data; boundary=x", "content-length": str(ANNOUNCED)}
PART = b'--x\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n\r\n'
MODEL_PART = b'--x\r\nContent-Disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n'
TUS = {"tus-resumable": "1.0.0"}
PIECE = {**TUS, "content-type": "application/offset+octet-stream"}

DOORS = {
    "raw": ("POST", "/v1/jobs", RAW, PDF),
    "form": ("POST", "/v1/jobs", FORM, PART + PDF),
    "recorder": ("PUT", "/v1/recordings/a.wav", RAW, PDF),
    "speech": ("POST", "/v1/audio/transcriptions", FORM, MODEL_PART + PART + PDF),
}


@pytest.mark.parametrize("door", DOORS)
async def test_the_rest_is_not_waited_for(api, door):
    """The answer names what was found and what is accepted, while most of the body has still to come."""
    method, path, headers, first = DOORS[door]
    upload = Connection(api.app, method, path, headers)
    upload.send(first)
    begin = await upload.next()
    body = await upload.next()
    assert begin["status"] == (400 if door == "speech" else 422)
    assert b"This is a PDF. Accepted are WAV, " in body["body"]
    assert b"unsupported_format" in body["body"]
    upload.disconnect()
    await upload.done()
    assert (api.spooled, api.blobs) == ([], [])


async def test_short_bodies(any_api):
    """A body that ends before it could be told is told by all of it; samples are asked to be declared."""
    page = await any_api.client.post("/v1/jobs", content=PAGE)
    assert "an HTML page" in page.json()["detail"]
    noise = await any_api.client.post("/v1/jobs", content=bytes(range(256)) * 20)
    assert (noise.status_code, noise.json()["reason"]) == (422, "unsupported_format")
    assert "audio/L16; rate=8000" in noise.json()["detail"]
    assert (any_api.spooled, any_api.blobs) == ([], [])


async def begin(api, n_bytes):
    headers = {**TUS, "upload-length": str(n_bytes), "upload-metadata": "filename YS53YXY="}
    return (await api.client.post("/v1/uploads", headers=headers)).headers["location"]


async def test_a_first_piece(api):
    """The upload is gone with its first piece; one with a wrong checksum says nothing about the recording."""
    url = await begin(api, ANNOUNCED)
    piece = {**PIECE, "upload-offset": "0"}
    wrong = base64.b64encode(hashlib.sha1(b"x").digest()).decode()
    torn = await api.client.patch(url, content=PDF, headers={**piece, "upload-checksum": f"sha1 {wrong}"})
    assert torn.status_code == 460
    refused = await api.client.patch(url, content=PDF, headers=piece)
    assert (refused.status_code, refused.json()["reason"]) == (422, "unsupported_format")
    assert (await api.client.head(url, headers=TUS)).status_code == 404
    url = await begin(api, ANNOUNCED)
    right = base64.b64encode(hashlib.sha1(PDF).digest()).decode()
    refused = await api.client.patch(url, content=PDF, headers={**piece, "upload-checksum": f"sha1 {right}"})
    assert refused.status_code == 422
    url = await begin(api, len(PAGE))
    assert (await api.client.patch(url, content=PAGE, headers=piece)).status_code == 422
    assert api.ledger.list(None).jobs == ()


async def test_a_presigned_put(api):
    """A URL of our own refuses at once; nothing is stored under the upload."""
    wanted = {"n_bytes": len(PDF), "filename": "a.wav"}
    upload = (await api.client.post("/v1/uploads/presigned", json=wanted)).json()
    refused = await api.client.put(upload["url"], content=PDF, headers=upload["headers"])
    assert (refused.status_code, refused.json()["reason"]) == (422, "unsupported_format")
    assert (await api.client.post("/v1/jobs", json={"upload": upload["id"]})).json()["reason"] == "upload_incomplete"


async def test_what_was_put_past_the_endpoint(api):
    """Bytes that the store took are looked at when the job is to begin."""
    wanted = {"n_bytes": len(PDF), "filename": "a.wav"}
    upload = (await api.client.post("/v1/uploads/presigned", json=wanted)).json()
    api.store.put(f"default/{upload['id']}/source", PDF)
    refused = await api.client.post("/v1/jobs", json={"upload": upload["id"]})
    assert (refused.status_code, refused.json()["reason"]) == (422, "unsupported_format")
    assert "a PDF" in refused.json()["detail"]
