"""The project's fuzzers against a running cluster, with few inputs; each has a command of its own for more."""

import subprocess
import sys
from pathlib import Path
from urllib.parse import urlsplit

from schemathesis.core.failures import FailureGroup

from deployments.http.routes.admin import DRAIN_PATH
from tests.attack.run import Probe
from tests.attack.target import Finding, Target, answering
from tests.support.api_conformance import Server, operations, try_operation
from tests.support.fuzz_requests import fuzz_server

ROOT = Path(__file__).resolve().parents[2]
N_EXAMPLES = 3
N_REQUESTS = 300
N_RECORDINGS = 100
SEED = 5


def mutated_requests(target: Target) -> str:
    """Requests with bytes changed, doubled and cut out: nothing hangs, crashes or brings a 5xx."""
    parts = urlsplit(target.url)
    authorization = f"Authorization: Bearer {target.key}" if target.key else ""
    with answering(target):
        counts, findings, slowest_s = fuzz_server(
            (parts.hostname or "", parts.port or 80),
            n_inputs=N_REQUESTS,
            seed=SEED,
            host=parts.netloc,
            authorization=authorization,
        )
    if findings:
        what, data = findings[0]
        raise Finding(f"{len(findings)} of {N_REQUESTS}; the first, {what}: {data[:120]!r}")
    answers = ", ".join(f"{n} × {status or 'closed'}" for status, n in counts.most_common(4))
    return f"{N_REQUESTS} requests ({answers}), slowest {slowest_s:.1f} s"


def mutated_recordings(target: Target) -> str:
    """Recordings with bytes changed: none hangs, kills its decoder or brings what is no error of a recording."""
    command = [
        sys.executable,
        str(ROOT / "scripts" / "fuzz-uploads"),
        "--inputs",
        str(N_RECORDINGS),
        "--seed",
        str(SEED),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise Finding(done.stderr.strip()[-200:])
    return done.stdout.strip().splitlines()[-1]


def requests_by_document(target: Target) -> str:
    """Valid and invalid requests to every operation of the OpenAPI document are answered as it says."""
    server = Server(url=target.url, known={}, headers=target.headers())
    wrong, n_tried = [], 0
    for label, operation in operations(server).items():
        if operation.path == DRAIN_PATH:  # the other attacks want a cluster that takes jobs
            continue
        n_tried += 1
        try:
            try_operation(server, operation, n_examples=N_EXAMPLES, seed=SEED)
        except (Exception, FailureGroup) as error:
            wrong.append(f"{label}: {type(error).__name__}: {' '.join(str(error).split())[:200]}")
    if wrong:
        raise Finding(f"{len(wrong)} of {n_tried} operations; {'; '.join(wrong[:3])}")
    return f"{n_tried} operations, {N_EXAMPLES} valid and invalid requests each"


PROBES = (
    Probe(threat="requests after the OpenAPI document", run=requests_by_document),
    Probe(threat="mutated requests", run=mutated_requests),
    Probe(threat="mutated recordings (decoder alone)", run=mutated_recordings),
)
