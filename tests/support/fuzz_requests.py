"""Mutated HTTP requests, byte by byte, against the API: nothing may hang, crash or bring a 5xx.

``python -m tests.support.fuzz_requests [--inputs 5000] [--seed 1]`` does what CI does for longer.
"""

import argparse
import collections
import contextlib
import random
import re
import socket
import sys
import time
from urllib.parse import urlsplit

import httpx

from tests.support.api_conformance import serving
from tests.support.recordings import RECORDINGS

ANSWER_TIMEOUT_S = 10.0
PATIENCE_S = 1.0
IDLE_TIMEOUT_S = 0.1  # bodies that announce more than they bring
CLOSED = 0
"""In place of a status: the server closed the connection, as it may where a head makes no sense."""


def sound_requests(host: str = "a", authorization: str = "") -> list[bytes]:
    """One request of every kind that brings a recording or options; ``authorization`` is a header line or ""."""
    recording = (RECORDINGS / "blip.wav").read_bytes()[:2000]
    form = (
        b'--b\r\nContent-Disposition: form-data; name="language"\r\n\r\nen\r\n'
        b'--b\r\nContent-Disposition: form-data; name="options"\r\n\r\n{"channels": "split"}\r\n'
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\nContent-Type: audio/wav\r\n\r\n'
        + recording
        + b"\r\n--b--\r\n"
    )
    multipart = "Content-Type: multipart/form-data; boundary=b"
    chunked = b"%x\r\n%s\r\n0\r\n\r\n" % (len(recording), recording)
    source = b'{"source": "https://recordings.invalid/a.mp3", "options": {"language": "en", "speakers": ["A", "B"]}}'
    tus = "Tus-Resumable: 1.0.0\r\nUpload-Length: 2000\r\nUpload-Metadata: filename YS53YXY=,channels c3BsaXQ="
    batch = b'{"name": "n", "entries": [{"source": "https://recordings.invalid/a.mp3", "custom_id": "1"}]}'
    common = "\r\n".join(line for line in (f"Host: {host}", authorization) if line)

    def request(line: str, headers: str, body: bytes) -> bytes:
        return f"{line} HTTP/1.1\r\n{common}\r\n{headers}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body

    in_chunks = f"POST /v1/jobs HTTP/1.1\r\n{common}\r\nContent-Type: audio/wav\r\nTransfer-Encoding: chunked\r\n\r\n"
    return [
        request("POST /v1/jobs", multipart, form),
        request("POST /v1/audio/transcriptions", multipart, form.replace(b'"options"', b'"prompt"')),
        request("POST /v1/jobs?channels=split&filename=call.wav", "Content-Type: audio/wav", recording),
        request("POST /v1/jobs", "Content-Type: audio/L16; rate=8000; channels=2", recording),
        request("POST /v1/jobs", "Content-Type: audio/wav\r\nIdempotency-Key: k\r\nX-Filename: a%20b.wav", recording),
        request("POST /v1/jobs", "Content-Type: application/json", source),
        request("PUT /v1/recordings/a.wav?channels=mix", "Content-Type: audio/wav", recording),
        request("POST /v1/uploads", tus, b""),
        request("POST /v1/batches", "Content-Type: application/json", batch),
        in_chunks.encode() + chunked,
    ]


def mutated(dice: random.Random, requests: list[bytes]) -> bytes:
    """A request changed in its head, or in its body with the length made right again, or anywhere."""
    data = dice.choice(requests)
    head, end, body = data.partition(b"\r\n\r\n")
    where = dice.randrange(3)
    if where == 0:
        return _changed(dice, head, requests) + end + body
    if where == 1 and b"Content-Length" in head:
        body = _changed(dice, body, requests)
        return re.sub(rb"Content-Length: \d+", b"Content-Length: %d" % len(body), head) + end + body
    return _changed(dice, data, requests)


def _changed(dice: random.Random, sound: bytes, requests: list[bytes]) -> bytes:
    """One to four bytes or pieces replaced, put in, taken out, repeated or taken from another request."""
    data = bytearray(sound)
    for _ in range(dice.randint(1, 4)):
        at, length = dice.randrange(len(data) + 1), dice.choice((1, 1, 2, 8, 64))
        act = dice.randrange(5)
        if act == 0:
            data[at : at + length] = dice.randbytes(length)
        elif act == 1:
            data[at:at] = dice.choice(
                (b"\r\n", b"\x00", b"%00", b"\xff", b"9" * 20, b'"', b"--b", b"/../", b"\xc3\x28")
            )
        elif act == 2:
            del data[at : at + length]
        elif act == 3:
            data[at:at] = data[at : at + length] * dice.choice((1, 2, 50))
        else:
            other = dice.choice(requests)
            begin = dice.randrange(len(other))
            data[at : at + length] = other[begin : begin + length]
    return bytes(data)


def status_of(address: tuple[str, int], data: bytes) -> int:
    """Send bytes and nothing more; return the status of the answer, or `CLOSED`.

    A server that waits for more gets the end of the connection after `PATIENCE_S`. Raises `TimeoutError` for a hang.
    """
    with socket.create_connection(address) as connection, contextlib.suppress(ConnectionError):
        connection.settimeout(ANSWER_TIMEOUT_S)
        with contextlib.suppress(ConnectionError):  # it may refuse before it has read everything
            connection.sendall(data)
        connection.settimeout(PATIENCE_S)
        try:
            answer = connection.recv(64)
        except TimeoutError:
            connection.shutdown(socket.SHUT_WR)
            connection.settimeout(ANSWER_TIMEOUT_S)
            answer = connection.recv(64)
        if answer.startswith(b"HTTP/1.1 "):
            return int(answer[9:12])
    return CLOSED


def fuzz(*, n_inputs: int, seed: int) -> tuple[collections.Counter[int], list[tuple[str, bytes]], float]:
    """Fuzz the API over fakes, which must be well afterwards; see `fuzz_server`."""
    with serving(upload_idle_timeout_s=IDLE_TIMEOUT_S) as server:
        parts = urlsplit(server.url)
        address = parts.hostname or "", parts.port or 0
        counts, findings, slowest_s = fuzz_server(address, n_inputs=n_inputs, seed=seed)
        httpx.get(f"{server.url}/healthz").raise_for_status()
        assert not list(server.spool_dir.glob("*.upload")), "a refused request left its upload"
    return counts, findings, slowest_s


def fuzz_server(
    address: tuple[str, int], *, n_inputs: int, seed: int, host: str = "a", authorization: str = ""
) -> tuple[collections.Counter[int], list[tuple[str, bytes]], float]:
    """Statuses by number, findings with what brought them, and the slowest answer in seconds.

    Sound requests are sent first, and must be taken: others would test nothing. ``host`` and ``authorization`` (a
    header line) are what this server wants to see.
    """
    dice, requests = random.Random(seed), sound_requests(host, authorization)
    counts: collections.Counter[int] = collections.Counter()
    findings = []
    slowest_s = 0.0
    for request in requests:
        status = status_of(address, request)
        assert 200 <= status < 500, (status, request)
    for _ in range(n_inputs):
        data = mutated(dice, requests)
        began_s = time.monotonic()
        try:
            status = status_of(address, data)
        except TimeoutError:
            findings.append(("hangs", data))
            continue
        slowest_s = max(slowest_s, time.monotonic() - began_s)
        counts[status] += 1
        if status >= 500:
            findings.append((str(status), data))
    return counts, findings, slowest_s


def main() -> int:
    """Fuzz and tell."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--inputs", type=int, default=5000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    counts, findings, slowest_s = fuzz(n_inputs=options.inputs, seed=options.seed)
    print(dict(counts.most_common()))
    for what, data in findings:
        print(what, data)
    print(f"{options.inputs} requests, {len(findings)} findings, slowest {slowest_s:.1f} s")
    return len(findings)


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
