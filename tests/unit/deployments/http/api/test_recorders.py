"""Recorders that PUT a finished file, as FreeSWITCH and Kazoo do."""


async def test_a_put_becomes_a_job(api):
    """With the name in the path and options in the query; repeated, it is the same job."""
    url = "/v1/recordings/2026/11/call%201.mp3?channels=split&speakers=Agent,Customer"
    first = await api.client.put(url, content=b"ID3x", headers={"content-type": "audio/mpeg"})
    assert first.status_code == 201, first.text
    again = await api.client.put(url, content=b"ID3x", headers={"content-type": "audio/mpeg"})
    assert (again.status_code, again.json()["id"]) == (200, first.json()["id"])
    other = await api.client.put(url, content=b"ID3y", headers={"content-type": "audio/mpeg"})
    assert other.status_code == 201
    job = api.ledger.get("default", first.json()["id"])
    assert (job.filename, job.options.channels, job.options.speakers) == ("call 1.mp3", "split", ("Agent", "Customer"))
    assert first.headers["location"] == f"/v1/jobs/{job.id}"
    assert api.spooled == []


async def test_what_is_no_recording(api):
    """Nothing, a source instead of bytes, an unknown option."""
    assert (await api.client.put("/v1/recordings/a.wav")).status_code == 422
    assert (await api.client.put("/v1/recordings/a.wav", json={"source": "https://a.example/b"})).status_code == 400
    assert (await api.client.put("/v1/recordings/a.wav?beam=1", content=b"RIFF")).status_code == 422
    assert api.ledger.list(None).jobs == ()
