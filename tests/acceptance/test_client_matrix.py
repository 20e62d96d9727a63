"""Other people's clients against a cluster with keys: behind HAProxy, straight and under a path prefix, and without it.

`docs/clients.md` has the table.
"""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import assemblyai
import boto3
import httpx
import openai
import pytest
import requests
from deepgram import DeepgramClient
from deepgram.environment import DeepgramClientEnvironment
from tusclient.client import TusClient

from tests.acceptance.conftest import JOB_TIMEOUT_S, RunningMeetMemo
from tests.servers import free_port
from tests.servers.prefix_proxy import PREFIX, prefix_proxy
from tests.support.foreign_clients import ForeignClients, installed_clients
from tests.support.recordings import RECORDINGS, truth, word_error_rate

pytestmark = [  # the clients' own
    pytest.mark.filterwarnings("ignore::pydantic.PydanticDeprecatedSince20"),
    pytest.mark.filterwarnings("ignore:websockets:DeprecationWarning"),
]

MEETING = RECORDINGS / "short.mp3"
BUCKET, RECORDER = "recordings", "recorder"
WHERE = ("direct", "prefix", "no-haproxy")


@dataclass(frozen=True)
class Site:
    """Where a client finds the cluster: its ``base`` URL, without a slash at the end, and a key."""

    base: str
    key: str
    cluster: RunningMeetMemo

    def text(self, job_id: str) -> str:
        """Wait for a job, and return its text."""
        return self.cluster.result(self.cluster.finished(job_id), "transcript.txt").decode()


@dataclass
class Keyed(RunningMeetMemo):
    """A cluster that wants a key."""

    key: str = ""

    def job(self, job_id: str) -> dict[str, object]:
        answer = httpx.get(f"{self.url}/v1/jobs/{job_id}", headers={"x-api-key": self.key}, timeout=30)
        assert answer.status_code == 200, answer.text
        shown: dict[str, object] = answer.json()
        return shown

    def result(self, job: dict[str, object], name: str) -> bytes:
        url = f"{self.url}/v1/jobs/{job['id']}/results/{name}"
        return httpx.get(url, headers={"x-api-key": self.key}, timeout=60).raise_for_status().content


@contextlib.contextmanager
def keyed(home: Path, bucket_url: str, **more: str) -> Iterator[Keyed]:
    """Run a cluster that wants a key, and may pull from the recorders' bucket."""
    sources = [{"name": "bucket", "url": f"s3://{BUCKET}", "secret": "BUCKET_SECRET", "endpoint": bucket_url}]
    ours = {
        "MEETMEMO_AUTH__MODE": "keys",
        "MEETMEMO_REUSE": "true",
        "MEETMEMO_MINUTES__WRITER": "extractive",
        "MEETMEMO_SOURCES": json.dumps(sources),
        "BUCKET_SECRET": f"{RECORDER}:any",
    }
    cluster = Keyed(home=home, port=free_port(), more={**ours, **more})
    made = cluster.cli("keys", "create", "--tenant", "acme", "--json")
    assert made.returncode == 0, made.stderr
    cluster.key = json.loads(made.stdout)["key"]
    cluster.start()
    yield cluster
    assert cluster.stop() == 0


@pytest.fixture(scope="module")
def proxied(tmp_path_factory: pytest.TempPathFactory, bucket_url: str) -> Iterator[dict[str, Site]]:
    """The same cluster by two addresses, behind HAProxy."""
    proxy_port = free_port()
    public_url = f"http://127.0.0.1:{proxy_port}{PREFIX}"
    with (
        keyed(tmp_path_factory.mktemp("keyed"), bucket_url, MEETMEMO_HTTP__PUBLIC_URL=public_url) as cluster,
        prefix_proxy(cluster.url, proxy_port) as prefixed,
    ):
        addresses = (("direct", cluster.url), ("prefix", prefixed))
        yield {name: Site(base, cluster.key, cluster) for name, base in addresses}


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory, bucket_url: str) -> Iterator[dict[str, Site]]:
    """A cluster behind Ray's own proxy."""
    with keyed(tmp_path_factory.mktemp("bare"), bucket_url, MEETMEMO_HTTP__HAPROXY="false") as cluster:
        yield {"no-haproxy": Site(cluster.url, cluster.key, cluster)}


@pytest.fixture
def site(where: str, request: pytest.FixtureRequest) -> Site:
    """The cluster at an address of `WHERE`, which is started for the first test that wants it."""
    sites: dict[str, Site] = request.getfixturevalue("bare" if where == "no-haproxy" else "proxied")
    return sites[where]


@pytest.fixture(scope="module")
def foreign() -> ForeignClients:
    """Clients with packages of their own; CI installs them first."""
    return installed_clients()


def openai_python(site: Site) -> str:
    with openai.OpenAI(base_url=f"{site.base}/v1", api_key=site.key, max_retries=0, timeout=JOB_TIMEOUT_S) as client:
        return client.audio.transcriptions.create(file=MEETING, model="whisper-1").text


def deepgram_sdk(site: Site) -> str:
    base = f"{site.base}/deepgram"
    environment = DeepgramClientEnvironment(base=base, production=base, agent=base, agent_rest=base)
    with httpx.Client(timeout=JOB_TIMEOUT_S) as connections:
        client = DeepgramClient(api_key=site.key, environment=environment, httpx_client=connections, max_retries=0)
        heard = client.listen.v1.media.transcribe_file(request=MEETING.read_bytes(), model="nova-3", smart_format=True)
    return str(heard.results.channels[0].alternatives[0].transcript)


def assemblyai_sdk(site: Site) -> str:
    settings = assemblyai.Settings(base_url=f"{site.base}/assemblyai", api_key=site.key, polling_interval=0.5)
    client = assemblyai.Client(settings=settings)
    try:
        return assemblyai.Transcriber(client=client).transcribe(str(MEETING)).text or ""
    finally:
        client.http_client.close()


def tuspy(site: Site) -> str:
    client = TusClient(f"{site.base}/v1/uploads", headers={"Authorization": f"Bearer {site.key}"})
    with MEETING.open("rb") as file:
        uploader = client.uploader(file_stream=file, chunk_size=1 << 16, metadata={"filename": MEETING.name})
        uploader.upload()
    asked = {"Tus-Resumable": "1.0.0", "x-api-key": site.key}
    return site.text(httpx.head(str(uploader.url), headers=asked, timeout=30).headers["x-meetmemo-job"])


def requests_form(site: Site) -> str:
    with MEETING.open("rb") as file:
        sent = requests.post(
            f"{site.base}/v1/jobs", files={"file": file}, headers={"X-API-Key": site.key}, timeout=JOB_TIMEOUT_S
        )
    sent.raise_for_status()
    assert sent.headers["location"].startswith(site.cluster.more.get("MEETMEMO_HTTP__PUBLIC_URL", "/v1/"))
    return site.text(sent.json()["id"])


def open_webui(site: Site) -> str:
    """Open WebUI's request with its speech-to-text engine set to OpenAI."""
    with MEETING.open("rb") as file:
        answer = requests.post(
            f"{site.base}/v1/audio/transcriptions",
            headers={"Authorization": f"Bearer {site.key}"},
            files={"file": (MEETING.name, file)},
            data={"model": "whisper-1", "language": "en"},
            timeout=JOB_TIMEOUT_S,
        )
    answer.raise_for_status()
    return str(answer.json()["text"])


def n8n(site: Site) -> str:
    """The request of n8n's OpenAI node, "Transcribe a Recording": options are texts, the file is the last part."""
    fields = [(name, (None, text)) for name, text in (("language", "en"), ("temperature", "0"), ("model", "whisper-1"))]
    parts: list[tuple[str, Any]] = [*fields, ("file", (MEETING.name, MEETING.read_bytes(), "audio/mpeg"))]
    headers = {"Authorization": f"Bearer {site.key}", "Accept": "application/json,text/*;q=0.99"}
    url = f"{site.base}/v1/audio/transcriptions"
    answer = requests.post(url, files=parts, headers=headers, timeout=JOB_TIMEOUT_S)
    answer.raise_for_status()
    return str(answer.json()["text"])


def presigned_put(site: Site) -> str:
    """The URL that is given is whole: it is taken as it is, without a key."""
    headers = {"Authorization": f"Bearer {site.key}"}
    wanted: dict[str, Any] = {"filename": MEETING.name, "n_bytes": MEETING.stat().st_size}
    begun = requests.post(f"{site.base}/v1/uploads/presigned", json=wanted, headers=headers, timeout=60).json()
    requests.put(begun["url"], data=MEETING.read_bytes(), timeout=60).raise_for_status()
    sent = requests.post(f"{site.base}/v1/jobs", json={"upload": begun["id"]}, headers=headers, timeout=60)
    return site.text(sent.json()["id"])


def curl(site: Site) -> str:
    """OpenAI's page on speech to text, with another host."""
    arguments = ["-sS", "--fail-with-body", f"{site.base}/v1/audio/transcriptions", "-F", f"file=@{MEETING}"]
    fields = ["-F", "model=whisper-1", "-F", "response_format=text", "-F", "timestamp_granularities[]="]
    return subprocess.run(
        ["curl", *arguments, *fields, "-H", f"Authorization: Bearer {site.key}"],
        capture_output=True,
        text=True,
        timeout=JOB_TIMEOUT_S,
        check=True,
    ).stdout


def boto3_bucket(site: Site) -> str:
    """A recorder puts its file into a bucket and names it; the server has the credentials of the bucket."""
    with contextlib.closing(recorders_bucket(site)) as client:
        client.upload_file(str(MEETING), BUCKET, "eu/call 2.mp3")
    headers = {"Authorization": f"Bearer {site.key}"}
    source = {"source": f"s3://{BUCKET}/eu/call%202.mp3"}
    return site.text(requests.post(f"{site.base}/v1/jobs", json=source, headers=headers, timeout=60).json()["id"])


def recorders_bucket(site: Site) -> Any:
    """Return boto3's client of the bucket, which is there then."""
    (place,) = json.loads(site.cluster.more["MEETMEMO_SOURCES"])
    client = boto3.client(
        "s3",
        endpoint_url=place["endpoint"],
        region_name="us-east-1",
        aws_access_key_id=RECORDER,
        aws_secret_access_key="any",
    )
    with contextlib.suppress(client.exceptions.BucketAlreadyOwnedByYou):
        client.create_bucket(Bucket=BUCKET)
    return client


CLIENTS: tuple[Callable[[Site], str], ...] = (
    openai_python,
    deepgram_sdk,
    assemblyai_sdk,
    tuspy,
    requests_form,
    open_webui,
    n8n,
    presigned_put,
    boto3_bucket,
    curl,
)


FOREIGN: dict[str, tuple[str, ...]] = {
    "openai.mjs": (),
    "deepgram.mjs": (),
    "tus.mjs": ("1",),
    "tus.mjs in parts": ("3",),
    "litellm_client.py": (),
    "langchain_client.py": (),
}
"""Scripts of `tests/clients`, and their arguments after base URL, key and file."""


def is_heard(text: str) -> bool:
    """Say whether a text is that of the meeting."""
    said = " ".join(segment.text for segment in truth(MEETING.name).segments)
    return word_error_rate(said, text) <= 0.1


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.__name__)
def test_a_client_gets_its_text(client: Callable[[Site], str], site: Site) -> None:
    """Only the base URL and the key are ours."""
    assert is_heard(client(site))


@pytest.mark.parametrize("where", WHERE)
@pytest.mark.parametrize("client", FOREIGN)
def test_a_foreign_client_gets_its_text(client: str, site: Site, foreign: ForeignClients) -> None:
    """Clients for Node, and those for Python that want packages of their own."""
    script = client.partition(" ")[0]
    printed = foreign.run(script, site.base, site.key, str(MEETING), *FOREIGN[client]).strip()
    if script == "tus.mjs":
        printed = site.text(printed)  # of the whole recording, also where it came in parts
    assert is_heard(printed)


@pytest.mark.parametrize("where", WHERE)
def test_pages_load_what_they_name(site: Site) -> None:
    """The console and the API's page, each relative to itself."""
    for page, names in (("/", ("console/js/app.js", "console/css/base.css")), ("/docs", ("openapi.json",))):
        text = httpx.get(f"{site.base}{page}", timeout=30).raise_for_status().text
        for name in names:
            assert f'"{name}"' in text or f"'{name}'" in text
            httpx.get(f"{site.base}/{name}", timeout=30).raise_for_status()


@pytest.mark.parametrize("where", WHERE)
def test_an_impatient_client_has_one_decoding(where: str, site: Site) -> None:
    """With a time-out and two retries of the client's own."""
    made = openai.OpenAI(base_url=f"{site.base}/v1", api_key=site.key, max_retries=2, timeout=2)
    with made as client, contextlib.suppress(openai.APITimeoutError):
        client.audio.transcriptions.create(file=RECORDINGS / "meeting-3min.flac", model="mini-en", prompt=where)
    listed = httpx.get(f"{site.base}/v1/jobs", headers={"x-api-key": site.key}, timeout=30).json()["jobs"]
    ended = [site.cluster.finished(job["id"]) for job in listed if job["options"]["prompt"] == where]
    assert len([job for job in ended if not job["cached"]]) == 1
