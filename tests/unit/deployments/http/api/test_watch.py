"""``meetmemo watch``: files of a folder become jobs when they are complete, each once."""

import json

import httpx
import pytest

from cluster.client.http import Client
from cluster.client.watch_folder import Watcher
from pipelines.ledger.job_filter import JobFilter


@pytest.fixture
async def desk(api, tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    lines: list[str] = []

    def make(**options):
        client = Client("http://test", transport=httpx.ASGITransport(app=api.app))
        return Watcher(client, folder, **{"options": {}, "done": None, "told": lines.append, **options})

    return api, folder, lines, make


async def test_a_file_is_taken_when_it_no_longer_changes(desk):
    """Not at the first look, not while it grows; then once, also by a watcher that starts anew."""
    api, folder, lines, make = desk
    watcher = make()
    (folder / "a.wav").write_bytes(b"RI")
    assert await watcher.look() == 0
    (folder / "a.wav").write_bytes(b"RIFF")
    assert await watcher.look() == 0
    assert await watcher.look() == 1
    assert await watcher.look() == 0
    restarted = make()
    await restarted.look()
    await restarted.look()
    (job,) = api.ledger.list(None).jobs
    assert (job.filename, job.source.n_bytes) == ("a.wav", 4)
    assert lines[0] == f"a.wav → {job.id}"


async def test_sidecars_and_done(desk, tmp_path):
    """Options beside the recording go before the common ones; what was taken is put away with them."""
    api, folder, _, make = desk
    (folder / "x").mkdir()
    (folder / "x/a.wav").write_bytes(b"RIFF")
    (folder / "x/a.wav.json").write_text(json.dumps({"minutes": "none", "speakers": ["Ann", "Bob"], "priority": 3}))
    watcher = make(options={"minutes": "extractive", "language": "en"}, done=tmp_path / "done")
    await watcher.look()
    assert await watcher.look() == 1
    options = api.ledger.list(None).jobs[0].options
    assert (options.minutes, options.speakers, options.priority, options.language) == ("none", ("Ann", "Bob"), 3, "en")
    assert not list((folder / "x").iterdir())
    assert sorted(path.name for path in (tmp_path / "done/x").iterdir()) == ["a.wav", "a.wav.json"]


async def test_a_sidecar_in_foreign_names(desk, tmp_path):
    """call.json beside call.wav and call.mp3, translated; it goes away with the last of them."""
    api, folder, _, make = desk
    for name in ("call.mp3", "call.wav"):
        (folder / name).write_bytes(b"ID3" + name.encode())
    said = {"callId": 17, "agents": "Ann,Bob", "queue": "sales", "beam": "no option of ours"}
    (folder / "call.json").write_text(json.dumps(said))
    fields = {"agents": "speakers", "queue": "metadata.queue", "lang": "language"}
    watcher = make(done=tmp_path / "done", fields=fields)
    await watcher.look()
    assert await watcher.look() == 2
    for job in api.ledger.list(None).jobs:
        assert (job.options.speakers, job.reference.metadata) == (("Ann", "Bob"), (("queue", "sales"),))
    assert list(folder.iterdir()) == []
    (folder / "b.wav").write_bytes(b"RIFF")
    (folder / "b.json").write_text(json.dumps(said))
    watcher = make(fields={"callId": "external_id"})
    await watcher.look()
    assert await watcher.look() == 1
    assert api.ledger.list(None, JobFilter(external_id="17")).jobs[0].filename == "b.wav"


async def test_what_is_no_recording_is_told_once(desk):
    """By its content: an .mp3 that is a text stays, an .m4b is taken; sidecars and unfinished files are no matter."""
    api, folder, lines, make = desk
    (folder / "book.m4b").write_bytes(b"\x00\x00\x00\x18ftypM4B ")
    (folder / "book.json").write_text("{}")
    (folder / "notes.mp3").write_text("No recording of ours.")
    (folder / "agenda").write_bytes(b"%PDF-1.7")
    watcher = make()
    for _ in range(3):
        await watcher.look()
    (job,) = api.ledger.list(None).jobs
    assert job.filename == "book.m4b"
    assert lines == ["agenda: left out, is a PDF", "notes.mp3: left out, is a text", f"book.m4b → {job.id}"]
    assert watcher.n_left == 2
    (folder / "notes.mp3").write_bytes(b"ID3 and more")
    for _ in range(2):
        await watcher.look()
    assert len(api.ledger.list(None).jobs) == 2


async def test_what_is_refused_is_told_once(desk):
    """A sidecar that is wrong holds up nothing; a server that is full is asked again."""
    api, folder, lines, make = desk
    (folder / "a.wav").write_bytes(b"RIFF")
    (folder / "a.wav.json").write_text('{"beam": 1}')
    (folder / "b.wav").write_bytes(b"RIFF")
    (folder / "b.wav.json").write_text("[]")
    watcher = make()
    for _ in range(3):
        assert await watcher.look() == 0
    assert [line.partition(":")[0] for line in lines] == ["a.wav", "b.wav"]
    api.ledger.outage = "away"
    (folder / "c.wav").write_bytes(b"RIFF")
    await watcher.look()
    assert await watcher.look() == 0
    api.ledger.outage = ""
    assert await watcher.look() == 1


async def test_the_same_file_with_other_options(desk):
    """It was taken before: that is said in words that name no key, and counts as left out."""
    _, folder, lines, make = desk
    (folder / "a.wav").write_bytes(b"RIFF")
    for options in ({"minutes": "none"}, {"minutes": "extractive"}):
        watcher = make(options=options)
        await watcher.look()
        await watcher.look()
    assert lines[-1].startswith("a.wav: was submitted before with other options")
    assert watcher.n_left == 1
