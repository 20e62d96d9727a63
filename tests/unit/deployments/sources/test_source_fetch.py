"""Pulling sources: what arrives, what is refused, and where a URL must never lead."""

import asyncio
import contextlib
import hashlib
import ipaddress
import os
from dataclasses import replace

import pytest
from starlette.applications import Starlette
from starlette.responses import RedirectResponse, Response, StreamingResponse
from starlette.routing import Route

from deployments.sources import fetch as fetching
from deployments.sources import pinned_http
from deployments.sources.fetch import check_url, fetch, fetch_recording
from deployments.sources.limits import SourceLimits
from deployments.sources.public_addresses import is_public
from deployments.sources.raw_audio import header_for
from pipelines.backoff import Backoff
from pipelines.errors import EmptyAudio, InvalidOptions, SourceUnreachable, TooLarge, UnsupportedFormat
from tests.servers.certificates import write_certificate
from tests.support.asgi_server import serve_asgi
from tests.support.waiting import until

CONTENT = os.urandom(3_000_000)
OPEN = SourceLimits(allow_private=True)


class Recordings:
    """A web server with recordings, and with everything that can go wrong."""

    def __init__(self):
        self.n_requests = 0
        self.hosts = []
        self.app = Starlette(
            routes=[
                Route("/call.wav", self.call),
                Route("/named", self.named),
                Route("/flaky", self.flaky),
                Route("/status/{code:int}", self.status),
                Route("/to", self.redirect),
                Route("/round", lambda request: RedirectResponse("/round")),
                Route("/nowhere", lambda request: Response(status_code=302)),
                Route("/empty", lambda request: Response(b"")),
                Route("/endless", self.endless),
                Route("/page.wav", self.page),
                Route("/call.g722", lambda request: Response(bytes(range(256)) * 100)),
                Route(
                    "/typed", lambda request: Response(bytes(range(256)) * 100, media_type=request.query_params["type"])
                ),
                Route("/torn", self.torn),
                Route("/stalled", self.stalled),
                Route("/gzip", lambda request: Response(b"x", headers={"content-encoding": "gzip"})),
            ]
        )

    async def call(self, request):
        self.n_requests += 1
        self.hosts.append(request.headers["host"])
        return Response(CONTENT)

    async def named(self, request):
        headers = {"content-disposition": "attachment; filename=\"x.wav\"; filename*=UTF-8''B%C3%BCro.wav"}
        return Response(CONTENT, headers=headers)

    async def flaky(self, request):
        self.n_requests += 1
        return Response(CONTENT) if self.n_requests == 3 else Response(status_code=503)

    async def status(self, request):
        self.n_requests += 1
        return Response(status_code=request.path_params["code"])

    async def redirect(self, request):
        return RedirectResponse(request.query_params["url"], status_code=int(request.query_params.get("code", "302")))

    async def endless(self, request):
        async def forever():
            while True:
                yield b"x" * 65536
                await asyncio.sleep(0)  # the server does not wait for a client that is gone

        return StreamingResponse(forever())

    async def page(self, request):
        async def forever():
            yield b"<!DOCTYPE html><html><body>Please log in.</body></html>"
            while True:
                yield b"<p>And so on.</p>\n" * 4096
                await asyncio.sleep(0)

        return StreamingResponse(forever())

    async def torn(self, request):
        async def part():
            yield CONTENT[:1000]
            raise RuntimeError("the server dies")

        return StreamingResponse(part(), headers={"content-length": "5000"})

    async def stalled(self, request):
        async def part():
            yield CONTENT[:1000]
            await asyncio.Event().wait()

        return StreamingResponse(part())


@pytest.fixture
def recordings():
    return Recordings()


@pytest.fixture
async def url(recordings):
    async with serve_asgi(recordings.app) as url:
        yield url


@pytest.fixture
def destination(tmp_path):
    return tmp_path / "source"


@pytest.fixture(autouse=True)
def impatient(monkeypatch):
    """Try again without waiting."""
    monkeypatch.setattr(fetching, "RETRIES", Backoff(first_s=0.0, longest_s=0.0))


async def test_fetch(url, destination, recordings):
    """A recording arrives whole, under the name in its URL, and the server sees the host it was asked for."""
    assert (await fetch(f"{url}/call.wav?sig=1", destination, OPEN)).name == "call.wav"
    assert destination.read_bytes() == CONTENT
    assert recordings.hosts == [url.removeprefix("http://")]


async def test_name_from_the_server(url, destination):
    """A name the server gives goes before the URL's."""
    assert (await fetch(f"{url}/named", destination, OPEN)).name == "Büro.wav"


async def test_a_recording_is_looked_at_while_it_comes(url, destination):
    """A page without end is refused from its first bytes; a manifest may be anything."""
    with pytest.raises(UnsupportedFormat, match="an HTML page"):
        await fetch_recording(f"{url}/page.wav", destination, replace(OPEN, max_bytes=1 << 50))
    assert not destination.exists()
    with pytest.raises(UnsupportedFormat, match="audio/L16"):
        await fetch_recording(f"{url}/call.wav", destination, OPEN)
    await fetch(f"{url}/call.wav", destination, OPEN)


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/call.g722", header_for("audio/G722")),
        ("/typed?type=audio/PCMA", header_for("audio/PCMA")),
        ("/typed?type=audio/L16;rate=16000", header_for("audio/L16; rate=16000")),
    ],
)
async def test_samples_get_a_header_as_they_are_fetched(url, destination, path, header):
    """By the type that the server gives, or the name of the file; the digest is that of what is kept."""
    samples = bytes(range(256)) * 100
    fetched = await fetch_recording(f"{url}{path}", destination, OPEN)
    assert destination.read_bytes() == header + samples
    assert fetched.sha256 == hashlib.sha256(header + samples).hexdigest()
    with pytest.raises(UnsupportedFormat):
        await fetch_recording(f"{url}/typed?type=audio/L16", destination, OPEN)


async def test_files_are_looked_at_as_well(destination, tmp_path):
    """A file of a folder that may be read from: a text is refused, samples by name get a header."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.wav").write_text("no recording")
    (tmp_path / "in/a.ulaw").write_bytes(bytes(range(256)))
    limits = replace(OPEN, file_roots=(tmp_path / "in",))
    with pytest.raises(UnsupportedFormat, match="a text"):
        await fetch_recording((tmp_path / "in/a.wav").as_uri(), destination, limits)
    await fetch_recording((tmp_path / "in/a.ulaw").as_uri(), destination, limits)
    assert destination.read_bytes() == header_for("audio/PCMU") + bytes(range(256))


@pytest.mark.parametrize("code", [301, 302, 303, 307, 308])
async def test_redirect(url, destination, code):
    """Redirects are followed, relative and absolute ones."""
    assert (await fetch(f"{url}/to?code={code}&url=/call.wav", destination, OPEN)).name == "call.wav"
    assert (await fetch(f"{url}/to?code={code}&url={url}/call.wav", destination, OPEN)).name == "call.wav"
    assert destination.read_bytes() == CONTENT


async def test_passing_faults(url, destination, recordings):
    """A server that recovers within three attempts costs nothing."""
    await fetch(f"{url}/flaky", destination, OPEN)
    assert destination.read_bytes() == CONTENT
    assert recordings.n_requests == 3


@pytest.mark.parametrize(("code", "n_requests"), [(503, 3), (429, 3), (404, 1), (403, 1), (204, 1), (206, 1)])
async def test_statuses(url, destination, recordings, code, n_requests):
    """Outages are tried three times, refusals once; the status is in the error, the query is not."""
    with pytest.raises(SourceUnreachable, match=str(code)) as error:
        await fetch(f"{url}/status/{code}?token=secret", destination, OPEN)
    assert "secret" not in str(error.value)
    assert error.value.may_come == (code in (403, 404, 429, 503))
    assert recordings.n_requests == n_requests
    assert not destination.exists()


@pytest.mark.parametrize(
    ("path", "error", "words"),
    [
        ("/round", SourceUnreachable, "more than 5 times"),
        ("/nowhere", SourceUnreachable, "to nowhere"),
        ("/empty", EmptyAudio, "no bytes"),
        ("/torn", SourceUnreachable, "cannot be read"),
        ("/gzip", SourceUnreachable, "compressed"),
        ("/to?url=file:///etc/passwd", SourceUnreachable, "file:"),
        ("/to?url=ftp://files.example/a", SourceUnreachable, "must begin with"),
        ("/to?url=http://a:b@files.example/a", SourceUnreachable, "user or password"),
    ],
)
async def test_faults(url, destination, path, error, words):
    """Every fault of the other side has its error, and leaves no file."""
    with pytest.raises(error, match=words):
        await fetch(url + path, destination, OPEN)
    assert not destination.exists()


@pytest.mark.parametrize("path", ["/call.wav", "/endless"])
async def test_too_large(url, destination, path):
    """A source beyond the limit is cut off, whether it announces its length or not."""
    with pytest.raises(TooLarge, match="1000000"):
        await fetch(url + path, destination, replace(OPEN, max_bytes=1_000_000))
    assert not destination.exists()


async def test_stalled(url, destination):
    """A server that stops sending is given up."""
    with pytest.raises(SourceUnreachable, match="ReadTimeout"):
        await fetch(f"{url}/stalled", destination, replace(OPEN, idle_timeout_s=0.1))
    assert not destination.exists()


async def test_total_time(url, destination):
    """A source that trickles is given up when its time is over."""
    with pytest.raises(SourceUnreachable, match=r"within 0\.3 seconds"):
        await fetch(f"{url}/endless", destination, replace(OPEN, total_timeout_s=0.3, max_bytes=1 << 50))
    assert not destination.exists()


async def test_cancelled(url, destination):
    """A cancelled pull leaves no file."""
    task = asyncio.create_task(fetch(f"{url}/endless", destination, replace(OPEN, max_bytes=1 << 50)))
    await until(destination.exists)
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    assert not destination.exists()


async def test_nobody_there(destination):
    """A closed port and a name that does not exist are unreachable."""
    with pytest.raises(SourceUnreachable, match="cannot be read"):
        await fetch("http://127.0.0.1:1/a.wav", destination, OPEN)
    for host in ("no-such-host.invalid", "xn--", "xn--a"):
        with pytest.raises(SourceUnreachable, match="cannot be resolved"):
            await fetch(f"http://{host}/a.wav", destination, OPEN)


async def test_private_host(url, destination, recordings):
    """A name that resolves to a private address is refused before a connection is made."""
    port = url.rpartition(":")[2]
    with pytest.raises(SourceUnreachable, match="not public"):
        await fetch(f"http://localhost:{port}/call.wav", destination, SourceLimits())
    assert recordings.n_requests == 0


async def test_redirect_to_private(url, destination, recordings, monkeypatch):
    """A public server cannot redirect to a private address, by number or by name."""
    port = url.rpartition(":")[2]
    monkeypatch.setattr(pinned_http, "is_public", lambda address: str(address) == "127.0.0.1")
    limits = SourceLimits()
    assert (await fetch(f"{url}/call.wav", destination, limits)).name == "call.wav"
    for target in (f"http://127.0.0.2:{port}/call.wav", f"http://[::1]:{port}/call.wav"):
        with pytest.raises(SourceUnreachable, match="not public"):
            await fetch(f"{url}/to?url={target}", destination, limits)
    await resolve_to(monkeypatch, {"evil.example": ["127.0.0.1", "127.0.0.2"]})
    with pytest.raises(SourceUnreachable, match=r"evil\.example has an address that is not public"):
        await fetch(f"{url}/to?url=http://evil.example:{port}/call.wav", destination, limits)
    assert recordings.n_requests == 1


async def resolve_to(monkeypatch, names):
    """Let names resolve to the given addresses."""
    loop = asyncio.get_running_loop()
    real = loop.getaddrinfo

    async def getaddrinfo(host, port, **kwargs):
        if host not in names:
            return await real(host, port, **kwargs)
        return [entry for address in names[host] for entry in await real(address, port, **kwargs)]

    monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)


async def test_name_is_resolved_once(url, destination, recordings, monkeypatch):
    """The connection goes to the address that was checked: a second answer of the name server changes nothing."""
    port = url.rpartition(":")[2]
    answers = [["127.0.0.1"], ["127.0.0.9"]]
    await resolve_to(monkeypatch, {})
    loop = asyncio.get_running_loop()
    passed_on = loop.getaddrinfo

    async def rebinding(host, port, **kwargs):
        return await passed_on(answers.pop(0)[0] if host == "rebind.example" else host, port, **kwargs)

    monkeypatch.setattr(loop, "getaddrinfo", rebinding)
    await fetch(f"http://rebind.example:{port}/call.wav", destination, OPEN)
    assert recordings.hosts == [f"rebind.example:{port}"]
    assert answers == [["127.0.0.9"]]


@pytest.fixture
def certificate(tmp_path):
    """A self-signed certificate for files.example: the paths of certificate and key."""
    return write_certificate(tmp_path, "files.example")


async def test_https(recordings, destination, certificate, monkeypatch):
    """Over TLS the certificate is checked against the name, although the connection goes to an address."""
    cert, key = certificate
    await resolve_to(monkeypatch, {"files.example": ["127.0.0.1"], "other.example": ["127.0.0.1"]})
    async with serve_asgi(recordings.app, ssl_certfile=str(cert), ssl_keyfile=str(key)) as url:
        port = url.rpartition(":")[2]
        good = f"https://files.example:{port}/call.wav"
        with pytest.raises(SourceUnreachable, match="CERTIFICATE_VERIFY_FAILED"):
            await fetch(good, destination, OPEN)
        monkeypatch.setenv("SSL_CERT_FILE", str(cert))
        assert (await fetch(good, destination, OPEN)).name == "call.wav"
        with pytest.raises(SourceUnreachable, match=r"certificate is not valid for 'other\.example'"):
            await fetch(f"https://other.example:{port}/call.wav", destination, OPEN)
        with pytest.raises(SourceUnreachable, match="not a safe place"):
            await fetch(f"https://files.example:{port}/to?url=http://files.example:{port}/call.wav", destination, OPEN)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::5db8:d70e", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("100.64.0.1", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1", False),
        ("fec0::1", False),
        ("fc00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("::ffff:169.254.169.254", False),
        ("64:ff9b::a00:1", False),
        ("2002:a00:1::", False),
    ],
)
def test_public_addresses(address, public):
    """Loopback, private, link-local, shared and multicast addresses are not public, in any wrapping."""
    assert is_public(ipaddress.ip_address(address)) is public


class TestFiles:
    @pytest.fixture
    def root(self, tmp_path):
        root = tmp_path / "recordings"
        root.mkdir()
        (root / "Team call.wav").write_bytes(CONTENT)
        (tmp_path / "secret.wav").write_bytes(b"secret")
        return root

    @pytest.fixture
    def limits(self, root):
        return SourceLimits(file_roots=(root,))

    async def test_copy(self, root, limits, destination):
        """A file below an opened folder is copied, and stays where it was."""
        assert (await fetch(f"file://{root}/Team%20call.wav", destination, limits)).name == "Team call.wav"
        assert destination.read_bytes() == CONTENT
        assert (root / "Team call.wav").exists()

    async def test_outside(self, root, limits, destination):
        """Neither dots nor links lead out of the opened folder."""
        (root / "link.wav").symlink_to(root.parent / "secret.wav")
        for path in (f"{root}/../secret.wav", f"{root}/%2e%2e/secret.wav", f"{root}/link.wav", "/etc/hostname"):
            with pytest.raises(SourceUnreachable, match="outside"):
                await fetch(f"file://{path}", destination, limits)
        assert not destination.exists()

    async def test_faults(self, root, limits, destination):
        """What is missing, no file, empty, too large or on another machine is refused."""
        (root / "empty.wav").touch()
        for url, error in (
            (f"file://{root}/none.wav", SourceUnreachable),
            (f"file://{root}/a%00b", SourceUnreachable),
            (f"file://{root}", SourceUnreachable),
            (f"file://elsewhere{root}/Team%20call.wav", SourceUnreachable),
            (f"file://{root}/empty.wav", EmptyAudio),
        ):
            with pytest.raises(error):
                await fetch(url, destination, limits)
            assert not destination.exists()
        with pytest.raises(TooLarge):
            await fetch(f"file://{root}/Team%20call.wav", destination, replace(limits, max_bytes=1000))
        assert not destination.exists()

    @pytest.mark.parametrize("path", ["none.wav", "..%2fnone.wav", "loop", "out/secret.wav", "out/none.wav"])
    async def test_nothing_is_told_of_what_is_outside(self, root, limits, destination, path):
        """A path outside brings the same answer whether something is there or not, and links that go round an error."""
        (root / "loop").symlink_to(root / "loop")
        (root / "out").symlink_to(root.parent)
        with pytest.raises(SourceUnreachable) as error:
            await fetch(f"file://{root}/{path}", destination, limits)
        inside = path in ("none.wav", "loop")
        assert ("is outside" in str(error.value)) is not inside
        assert str(error.value).count(str(root)) == 1

    async def test_a_folder_that_becomes_a_link(self, root, limits, destination, monkeypatch):
        """A folder that is replaced by a link after it was looked at leads nowhere."""
        day = root / "day"
        day.mkdir()
        (day / "secret.wav").write_bytes(b"RIFF")
        real = os.path.realpath

        def raced(path):
            found = real(path)
            if found.endswith("/day/secret.wav"):
                (day / "secret.wav").unlink()
                day.rmdir()
                day.symlink_to(root.parent)
            return found

        monkeypatch.setattr(os.path, "realpath", raced)
        with pytest.raises(SourceUnreachable, match="cannot be read"):
            await fetch(f"file://{day}/secret.wav", destination, limits)
        assert not destination.exists()

    async def test_pipes_and_cut_names(self, root, limits, destination):
        """A pipe is not waited for; a name with # in it is not read as a shorter one."""
        os.mkfifo(root / "pipe.wav")
        (root / "a").write_bytes(b"RIFF")
        (root / "a#1.wav").write_bytes(b"RIFFa1")
        with pytest.raises(SourceUnreachable, match="not a file"):
            await fetch(f"file://{root}/pipe.wav", destination, limits)
        for end in ("#1.wav", "?1.wav"):
            with pytest.raises(InvalidOptions, match="%23"):
                await fetch(f"file://{root}/a{end}", destination, limits)
        assert (await fetch(f"file://{root}/a%231.wav", destination, limits)).name == "a#1.wav"
        assert destination.read_bytes() == b"RIFFa1"

    async def test_not_opened(self, root, destination):
        """Without opened folders no file is read."""
        with pytest.raises(InvalidOptions, match="not allowed"):
            await fetch(f"file://{root}/Team%20call.wav", destination, SourceLimits())


def test_schemes():
    """Only the configured schemes are accepted, in any case."""
    check_url("HTTPS://files.example/a.wav", SourceLimits())
    with pytest.raises(InvalidOptions, match="must begin with https://"):
        check_url("http://files.example/a.wav", SourceLimits(schemes=frozenset({"https"})))


@pytest.mark.parametrize("url", ["http://a..b\u2024c/x", "http://\u2260/a.wav", f"http://{'a' * 70000}/"])
def test_what_only_one_parser_takes_for_a_url(url):
    """A URL that cannot be requested is refused when it is looked at, not when the request is made."""
    with pytest.raises(InvalidOptions, match="is not a URL"):
        check_url(url, SourceLimits())
