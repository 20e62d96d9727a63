"""Does the API do what its OpenAPI document says, whatever it is sent: schemathesis against a server in a thread.

``python -m tests.support.api_conformance [--examples 200] [--seed 1] [--keys] [--url URL]`` does what CI does with more
examples, with API keys, or against a server that runs; one that runs is really sent jobs, switched to draining and so
on.
"""

import argparse
import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import hypothesis
import requests
import schemathesis
import uvicorn
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import GenerationMode
from schemathesis.checks import CHECKS, load_all_checks
from schemathesis.core.failures import FailureGroup

from deployments.auth.api_keys import ApiKeyAuthenticator
from pipelines.errors import Reason
from pipelines.jobs.job import JobState
from pipelines.ledger.credentials.api_keys import ALL_SCOPES, Scope, new_key
from tests.fakes.api_keys import OPERATOR, MemoryKeys
from tests.support.console_server import TENANT, BusyCoordinator, ConsoleServer

schemathesis.serializer.alias("application/offset+octet-stream", "application/octet-stream")  # what tus uploads send

CALL_TIMEOUT_S = 20.0
STREAM_TIMEOUT_S = 0.3
ENDLESS = ("/v1/events",)
"""Streams that end with the client."""

CHECKED = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)


class HastyCoordinator(BusyCoordinator):
    """Lets every job that comes fail at once, so that those who wait for it are answered."""

    async def wake(self, n_arrived: int = 0, *, counts: bool = True) -> None:
        await super().wake(n_arrived, counts=counts)
        for job in list(self.ledger.jobs.values()):  # type: ignore[attr-defined]  # the ledger in memory
            if job.state is JobState.QUEUED:
                ended = replace(job, state=JobState.FAILED, reason=Reason.CORRUPT_AUDIO, version=job.version + 1)
                self.ledger.jobs[job.id] = ended  # type: ignore[attr-defined]
        self.announce()


@dataclass(frozen=True, kw_only=True)
class Server:
    """Where the API is, and real values for parameters that chance would not hit; ``headers`` go with each request."""

    url: str
    known: dict[str, tuple[str, ...]]
    spool_dir: Path = Path()
    headers: dict[str, str] = field(default_factory=dict, repr=False)


@contextlib.contextmanager
def serving(*, upload_idle_timeout_s: float = 60.0, scopes: frozenset[Scope] | None = None) -> Iterator[Server]:
    """The API over fakes with one job of every kind, by a real server in a thread.

    With ``scopes`` it wants an API key; the server's headers bring one that has these, or, without any, no key.
    """
    keys = MemoryKeys()
    all_of_it = _key_in(keys, ALL_SCOPES)
    more: dict[str, Any] = {} if scopes is None else {"authenticator": ApiKeyAuthenticator(keys)}
    with tempfile.TemporaryDirectory(prefix="meetmemo-") as folder:
        console = ConsoleServer(
            Path(folder),
            coordinator=HastyCoordinator,
            upload_idle_timeout_s=upload_idle_timeout_s,
            keys=keys,
            **more,
        )
        jobs = console.fill()
        console.add_quarantined(jobs["meeting"], 1.0, 2.0, "out of memory")
        server = uvicorn.Server(
            uvicorn.Config(console.app, port=0, log_config=None, lifespan="off", ws="none", timeout_graceful_shutdown=1)
        )
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            while not server.started:
                assert thread.is_alive(), "the server did not start"
                time.sleep(0.01)
            port = server.servers[0].sockets[0].getsockname()[1]
            known = {
                "batch_id": (_batch(f"http://127.0.0.1:{port}", all_of_it),),
                "seq": ("0", "1"),
                "job_id": tuple(job.id for job in jobs.values()),
                "name": ("transcript.json", "minutes.pdf", "mini-en"),
                "kind": ("decisions", "actions"),
            }
            headers = _key_in(keys, scopes) if scopes else {}
            yield Server(url=f"http://127.0.0.1:{port}", known=known, spool_dir=Path(folder) / "spool", headers=headers)
        finally:
            server.should_exit = True
            thread.join()


def _key_in(keys: MemoryKeys, scopes: frozenset[Scope]) -> dict[str, str]:
    """Make a key of the tenant with the jobs; return the headers that bring it at any door."""
    key, token = new_key(tenant=TENANT, scopes=scopes, name="conformance", now_s=time.time())
    keys.add(key, OPERATOR)
    return {"x-api-key": token, "authorization": f"Bearer {token}"}


def _batch(url: str, headers: dict[str, str]) -> str:
    """Submit a batch; return its id."""
    body = {"entries": [{"source": "https://recordings.example.com/a.wav", "custom_id": "a"}, {"filename": "b.wav"}]}
    answer = requests.post(f"{url}/v1/batches", json=body, headers=headers, timeout=CALL_TIMEOUT_S)
    assert answer.ok, answer.text
    return str(answer.json()["id"])


def operations(server: Server) -> dict[str, Any]:
    """The operations of the document that the server shows, by method and path."""
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json", headers=server.headers)
    found = [result.ok() for result in schema.get_all_operations()]  # type: ignore[union-attr]  # an error has none
    return {operation.label: operation for operation in found}


def try_operation(server: Server, operation: Any, *, n_examples: int, seed: int) -> None:
    """Send valid and invalid requests; raises what a check finds wrong, with the request to repeat it."""
    for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
        with contextlib.suppress(Unsatisfiable):  # an operation that takes nothing cannot be asked wrongly
            _try_mode(server, operation, mode, n_examples=n_examples, seed=seed)


def _try_mode(server: Server, operation: Any, mode: GenerationMode, *, n_examples: int, seed: int) -> None:
    checks = _checks()

    @hypothesis.seed(seed)
    @hypothesis.settings(
        max_examples=n_examples,
        database=None,
        deadline=None,
        suppress_health_check=list(hypothesis.HealthCheck),
        phases=[hypothesis.Phase.explicit, hypothesis.Phase.generate],
    )
    @hypothesis.given(case=operation.as_strategy(generation_mode=mode), data=st.data())
    def once(case: Any, data: st.DataObject) -> None:
        for name, values in server.known.items():
            if name in (case.path_parameters or {}) and data.draw(st.booleans()):
                case.path_parameters[name] = data.draw(st.sampled_from(values))
        endless = operation.path in ENDLESS
        try:
            timeout = STREAM_TIMEOUT_S if endless else CALL_TIMEOUT_S
            answer = case.call(base_url=server.url, timeout=timeout, headers=server.headers)
        except requests.Timeout:
            if endless:
                return
            raise
        if not _is_the_servers(answer):
            case.validate_response(answer, checks=checks)

    once()


def _is_the_servers(answer: Any) -> bool:
    """Whether HAProxy or uvicorn refused a head that it cannot parse, before anything of the API saw it."""
    is_proxys = answer.headers.get("content-type", [""])[0].startswith("text/html")
    return bool(answer.status_code == 400 and (is_proxys or answer.content == b"Invalid HTTP request received."))


def _checks() -> list[Any]:
    load_all_checks()
    return list(CHECKS.get_by_names(list(CHECKED)))


def main() -> int:
    """Try every operation; return how many are not as documented."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--examples", type=int, default=200, help="valid and invalid ones each, by operation")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--keys", action="store_true", help="want an API key, and bring one with all rights")
    parser.add_argument("--url", help="a server that runs, instead of one over fakes")
    options = parser.parse_args()
    n_wrong = 0
    here = serving(scopes=ALL_SCOPES if options.keys else None)
    with contextlib.nullcontext(Server(url=options.url, known={})) if options.url else here as server:
        for label, operation in operations(server).items():
            began_s = time.monotonic()
            try:
                try_operation(server, operation, n_examples=options.examples, seed=options.seed)
                found = "as documented"
            except (Exception, FailureGroup) as error:
                n_wrong += 1
                found = f"{type(error).__name__}: {error}"
            print(f"{label}: {found} ({time.monotonic() - began_s:.1f} s)", flush=True)
    return n_wrong


if __name__ == "__main__":
    sys.exit(1 if main() else 0)
