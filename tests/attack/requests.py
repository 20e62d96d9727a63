"""Attacks by requests: what a tenant, a web page or a stranger can send."""

import base64
import json
import socket
import subprocess
import sys
import threading
import time
import uuid
from collections import Counter
from urllib.parse import urlsplit

import httpx

from tests.attack.run import Probe
from tests.attack.target import Finding, NotApplicable, Target, answering, expect
from tests.support.recordings import RECORDINGS

DOUBLED = "{% set a=[1] %}" + "{% set a=[a,a] %}" * 40
HOSTILE_TEMPLATES = (
    "{{ 7|round(-1000000000) }}",
    "{{ 7|round(1000000000) }}",
    "{% set a=[1] %}" + "{% set a=[a,a] %}" * 22 + "{{ a|upper }}",
    DOUBLED + "{{ a }}",
    DOUBLED + "{{ a == a }}",
    DOUBLED + "{{ [a]|sort }}",
    DOUBLED + "{{ a|map('upper')|list }}",
    "{% set n=9 %}" + "{% set n=n+n %}" * 900 + "{{ n }}",
    "{% for a in [0,1,2,3,4,5,6,7,8,9] %}" * 9 + "x" + "{% endfor %}" * 9,
    "{{ '%1000000000d' is odd }}",
    "{{ title|truncate(2,false,'longer') }}",
    "{{ summary.__class__.__mro__ }}",
)
INSIDE = (
    "127.0.0.1",
    "127.1",
    "0.0.0.0",
    "10.0.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "168.63.129.16",
    "172.16.0.1",
    "192.0.0.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "240.0.0.1",
    "255.255.255.255",
    "[::]",
    "[::1]",
    "[::127.0.0.1]",
    "[::ffff:127.0.0.1]",
    "[::ffff:0:127.0.0.1]",
    "[64:ff9b::7f00:1]",
    "[64:ff9b:1::7f00:1]",
    "[100::1]",
    "[2001:db8::1]",
    "[2002:7f00:1::1]",
    "[3fff::1]",
    "[5f00::1]",
    "[fc00::1]",
    "[fe80::1]",
    "[fec0::1]",
    "[ff02::1]",
)
OUT_OF_PLACE = (
    "%2e%2e/other",
    "%252e%252e/other",
    "..%2fother",
    "..%5cother",
    "..;/other",
    "a/../../other",
    "./../other",
)
RESERVED_TENANTS = ("uploads-open", "audio-kept", "minutes-parked", "minutes-resume")
HUGE_JSON_BYTES = 60 << 20
N_GREEDY_UPLOADS = 64
N_SLOW_UPLOADS = 20
SLOW_UPLOADS_END_S = 180.0


def hostile_templates(target: Target) -> str:
    """Templates that compute for days or fill the memory are refused by every way in, and hold nobody up."""
    headers = target.headers()
    with answering(target) as slowest_s:
        for template in HOSTILE_TEMPLATES:
            content = (RECORDINGS / "blip.wav").read_bytes()
            form = {"minutes_template": template}
            answer = target.request("POST", "/v1/jobs", files={"file": ("a.wav", content)}, data=form)
            expect(answer, 422, 429, 503, about=f"template {template[:40]!r} as a form")
            body = {"source": "https://recordings.invalid/a.wav", "options": form}
            expect(target.request("POST", "/v1/jobs", json=body), 422, 429, 503, about="as JSON")
            told = f"filename YQ==,minutes_template {base64.b64encode(template.encode()).decode()}"
            tus = {"tus-resumable": "1.0.0", "upload-length": "9", "upload-metadata": told}
            answer = target.request("POST", "/v1/uploads", headers=tus)
            expect(answer, 422, 429, 503, 400, about="as a tus upload")  # 400: HAProxy's, for very long headers
            batch = {"entries": [{"source": "https://recordings.invalid/a.wav", "options": form}], "dry_run": True}
            expect(target.request("POST", "/v1/batches", json=batch), 422, 429, 503, about="in a batch")
        _at_once(target, headers)
    return f"{len(HOSTILE_TEMPLATES)} templates by 4 ways refused; slowest health check {slowest_s():.2f} s"


def _at_once(target: Target, headers: dict[str, str]) -> None:
    """Send many different hostile templates at the same time."""

    def send(number: int) -> None:
        body = {
            "source": "https://recordings.invalid/a.wav",
            "options": {"minutes_template": f"{number}{HOSTILE_TEMPLATES[number % len(HOSTILE_TEMPLATES)]}"},
        }
        httpx.post(f"{target.url}/v1/jobs", json=body, headers=headers, timeout=60)

    threads = [threading.Thread(target=send, args=(number,)) for number in range(32)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def foreign_hosts(target: Target) -> str:
    """A page that makes its own name point here (DNS rebinding) reads nothing."""
    for host in ("evil.example", "evil.example:8000", "localhost.evil.example", "127.0.0.1.evil.example"):
        for path in ("/v1/jobs", "/metrics", "/v1/events"):
            answer = httpx.get(f"{target.url}{path}", headers={"host": host}, timeout=60)
            expect(answer, *((401,) if target.asks_for_keys else (421,)), about=f"{path} for the host {host}")
    return "names that are not this server's are answered " + ("only with a key" if target.asks_for_keys else "421")


def cross_site_pages(target: Target) -> str:
    """A page of another origin submits nothing and stops nothing."""
    foreign = (
        {"origin": "https://evil.example", "sec-fetch-site": "cross-site", "sec-fetch-mode": "no-cors"},
        {"origin": "null", "sec-fetch-site": "cross-site"},
        {"origin": "null"},
        {"origin": "https://evil.example"},
        {"origin": f"http://{urlsplit(target.url).hostname}:1", "sec-fetch-site": "same-site"},
        {"sec-fetch-site": "cross-site"},
    )
    content = (RECORDINGS / "blip.wav").read_bytes()
    refused = 401 if target.asks_for_keys else 403
    for headers in foreign:
        answer = httpx.post(f"{target.url}/v1/jobs", files={"file": ("a.wav", content)}, headers=headers, timeout=60)
        expect(answer, refused, about=f"a job from a page with {headers}")
        answer = httpx.post(f"{target.url}/v1/admin/drain?refuse=true", headers=headers, timeout=60)
        expect(answer, refused, about=f"drain from a page with {headers}")
        answer = httpx.put(f"{target.url}/v1/recordings/a.wav", content=content, headers=headers, timeout=60)
        expect(answer, refused, about=f"a recording put from a page with {headers}")
    own = {"origin": target.url, "sec-fetch-site": "same-origin"}
    answer = target.request("POST", "/v1/jobs", files={"file": ("a.wav", content)}, headers=own)
    expect(answer, 202, about="a job from the console's own page")
    target.purge(answer.json()["id"])
    return f"{len(foreign)} kinds of foreign pages refused, the console's own is not"


def strangers(target: Target) -> str:
    """Without a key nothing of a tenant is read or written; one tenant's key opens nothing of another."""
    if not target.asks_for_keys:
        raise NotApplicable("authentication is off")
    job_id = target.submit(minutes="none")
    for key, status in (("", 401), ("mm_0123456789abcdef_" + "A" * 43, 401), (target.other_key, 404)):
        for path in (f"/v1/jobs/{job_id}", f"/v1/jobs/{job_id}/results/transcript.json"):
            expect(target.request("GET", path, key=key), status, about=f"{path} with a foreign key")
        expect(target.request("DELETE", f"/v1/jobs/{job_id}", key=key), status, about="cancelling with a foreign key")
    target.purge(job_id)
    return "no key, a wrong key and another tenant's key open nothing"


def out_of_the_source_place(target: Target) -> str:
    """A source URL does not leave the place that the server has credentials for."""
    if not target.place:
        raise NotApplicable("it pulls from no place with credentials")
    for path in OUT_OF_PLACE:
        body = {"source": f"{target.place}/{path}/a.wav"}
        expect(target.request("POST", "/v1/jobs", json=body), 422, about=f"the source …/{path}/a.wav")
    return f"{len(OUT_OF_PLACE)} ways out refused"


def addresses_inside(target: Target) -> str:
    """Neither a source nor a webhook names an address that is not of the internet."""
    for host in INSIDE:
        for url in (f"http://{host}/a.wav", f"https://{host}:8443/a.wav"):
            answer = target.request("POST", "/v1/jobs", json={"source": url})
            if answer.status_code == httpx.codes.ACCEPTED:  # a name for `inet_aton`: judged when it is resolved
                job_id = answer.json()["id"]
                target.wait_for_end(job_id)
                job = target.request("GET", f"/v1/jobs/{job_id}").json()
                target.purge(job_id)
                if "not public" not in job["detail"]:
                    raise Finding(f"the source {url} is pulled: {job['detail']}")
            else:
                expect(answer, 422, about=f"the source {url}")
    return f"{len(INSIDE)} addresses refused"


def huge_json(target: Target) -> str:
    """Large and deep JSON is refused early; it takes neither the event loop nor the memory."""
    entry = {"source": "https://recordings.invalid/a.wav", "options": {"metadata": {"a": "b"}}}
    n_entries = HUGE_JSON_BYTES // len(json.dumps(entry))
    bodies = {
        "many entries": json.dumps({"entries": [entry] * n_entries}).encode(),
        "small numbers": b'{"entries": [' + b"1," * (HUGE_JSON_BYTES // 2) + b"1]}",
        "many names": b"{" + b",".join(b'"%d":1' % number for number in range(5_000_000)) + b"}",
        "deep lists": b"[" * 2_000_000 + b"]" * 2_000_000,
        "deep objects": b'{"a":' * 500_000 + b"1" + b"}" * 500_000,
        "a long number": b'{"entries": ' + b"9" * 5_000_000 + b"}",
    }
    before = _memory_bytes(target)
    with answering(target) as slowest_s:
        for what, body in bodies.items():
            for path in ("/v1/batches", "/v1/jobs", "/v1/notifications/s3", "/v1/admin/keys"):
                headers = {"content-type": "application/json"}
                try:
                    answer = target.request("POST", path, content=body, headers=headers)
                except httpx.TransportError:  # refused and closed before everything was sent
                    continue
                if answer.status_code >= 500 or answer.status_code < 400:
                    raise Finding(f"{what} to {path}: {answer.status_code} {answer.text[:100]}")
    grown = max(0, _memory_bytes(target) - before)
    if grown > 500 << 20:
        raise Finding(f"the endpoint's processes hold {grown >> 20} MiB more than before")
    return f"{len(bodies)} bodies to 4 paths refused; slowest health check {slowest_s():.2f} s, {grown >> 20} MiB more"


def _memory_bytes(target: Target) -> int:
    """Resident memory of the endpoint's replicas; 0 where they are elsewhere."""
    try:
        processes = target.processes()
    except NotApplicable:
        return 0
    total = 0
    for process in processes:
        if "Ingestion" in process.title:
            with open(f"/proc/{process.pid}/statm", encoding="ascii") as file:
                total += int(file.read().split()[1]) * 4096
    return total


def disk_by_tus(target: Target) -> str:
    """Announced uploads cannot promise away more disk than there is."""
    n_bytes = 4 << 30
    opened = []
    refused = ""
    try:
        for _ in range(N_GREEDY_UPLOADS):
            headers = {"tus-resumable": "1.0.0", "upload-length": str(n_bytes), "upload-metadata": "filename YS53YXY="}
            answer = target.request("POST", "/v1/uploads", headers=headers)
            if answer.status_code != httpx.codes.CREATED:
                refused = f"{answer.status_code} after {len(opened)} × 4 GiB"
                break
            opened.append(urlsplit(answer.headers["location"]).path)
    finally:
        for path in opened:
            target.request("DELETE", path, headers={"tus-resumable": "1.0.0"})
    if not refused:
        raise Finding(f"{N_GREEDY_UPLOADS} uploads of 4 GiB each were opened by one tenant")
    return refused


def slow_uploads(target: Target) -> str:
    """Bodies that come by a byte a second hold neither all slots nor their own for long."""
    address = (urlsplit(target.url).hostname or "", urlsplit(target.url).port or 80)
    key = f"Authorization: Bearer {target.key}\r\n" if target.key else ""
    host = f"Host: {address[0]}:{address[1]}\r\n"
    head = f"PUT /v1/recordings/slow.wav HTTP/1.1\r\n{host}{key}Content-Length: 100000\r\n\r\n"
    open_sockets = []
    began_s = time.monotonic()
    try:
        for _ in range(N_SLOW_UPLOADS):
            connection = socket.create_connection(address, timeout=10)
            connection.sendall(head.encode())
            connection.setblocking(False)
            open_sockets.append(connection)
        others = "not tried"
        answers: Counter[str] = Counter()
        while open_sockets and time.monotonic() - began_s < SLOW_UPLOADS_END_S:
            time.sleep(1.0)
            for connection in list(open_sockets):
                if status := _drip(connection):
                    answers[status] += 1
                    open_sockets.remove(connection)
                    connection.close()
            if target.other_key and others == "not tried":
                content = (RECORDINGS / "blip.wav").read_bytes()
                answer = target.request("PUT", "/v1/recordings/b.wav", key=target.other_key, content=content)
                expect(answer, 201, about="another tenant's upload meanwhile")
                others = "let in"
        if open_sockets:
            raise Finding(
                f"{len(open_sockets)} of {N_SLOW_UPLOADS} slow uploads still go on after {SLOW_UPLOADS_END_S:.0f} s"
            )
    finally:
        for connection in open_sockets:
            connection.close()
    told = ", ".join(f"{n} × {status}" for status, n in sorted(answers.items()))
    return f"{told} after {time.monotonic() - began_s:.0f} s; another tenant meanwhile: {others}"


def _drip(connection: socket.socket) -> str:
    """Send one more byte; return the status that came, "closed", or "" while the server listens."""
    try:
        connection.send(b"x")
        answer = connection.recv(4096)
    except BlockingIOError:
        return ""
    except OSError:
        return "closed"
    return answer[9:12].decode("ascii", "replace") if answer else "closed"


def tenants_named_like_marks(target: Target) -> str:
    """Nobody is called what the store keeps beside the tenants."""
    home = target.own_home()
    for tenant in RESERVED_TENANTS:
        command = [sys.executable, "-m", "cluster.cli", "keys", "create", "--tenant", tenant, "--home", str(home)]
        made = subprocess.run(command, capture_output=True, text=True, env=target.environment or None, check=False)
        if made.returncode == 0:
            raise Finding(f"there is a key for the tenant {tenant} now")
    return f"{len(RESERVED_TENANTS)} names refused"


def forged_direct_uploads(target: Target) -> str:
    """The token of a direct upload leads to no other tenant's part of the store."""
    upload_id = uuid.uuid4().hex
    for tenant in (*RESERVED_TENANTS, "..", "default/../acme", "acme"):
        path = f"/v1/uploads/presigned/{upload_id}?token={'A' * 43}.{tenant}"
        answer = target.request("PUT", path, content=b"x")
        if answer.is_success or answer.is_server_error:
            raise Finding(f"a forged token for {tenant}: {answer.status_code} {answer.text[:100]}")
    return "forged tokens refused"


PROBES = (
    Probe(threat="a minutes template that computes for ever", run=hostile_templates),
    Probe(threat="a page by DNS rebinding", run=foreign_hosts),
    Probe(threat="a page of another origin", run=cross_site_pages),
    Probe(threat="strangers and other tenants", run=strangers),
    Probe(threat="a source URL out of its place", run=out_of_the_source_place),
    Probe(threat="a source URL into the network", run=addresses_inside),
    Probe(threat="large and deep JSON", run=huge_json),
    Probe(threat="a disk full of announced uploads", run=disk_by_tus),
    Probe(threat="uploads by a byte a second", run=slow_uploads),
    Probe(threat="tenants named like marks", run=tenants_named_like_marks),
    Probe(threat="forged tokens of direct uploads", run=forged_direct_uploads),
)
