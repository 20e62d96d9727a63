"""Measure how replicas fare beside busy processes, by their niceness (`ray.niceness`).

First the share of a core that a process of each niceness gets beside a busy one of niceness 0 on the same core, which
other work on the machine hardly changes. With ``--cluster`` also how long a recording takes: for each niceness a
cluster of its own is started, and the recording is transcribed alone and beside busy processes, one on each core, as a
language server, a build or a backup on the same machine are. That needs a machine that does nothing else.
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

ROOT = Path(__file__).parent.parent
BUSY = "while True: pass"


@contextmanager
def cluster(niceness: int, port: int, n_cpus: int) -> Iterator[str]:
    """Run a cluster with a home of its own; yield its URL."""
    with tempfile.TemporaryDirectory(prefix="niceness-", ignore_cleanup_errors=True) as home:
        environment = {
            **os.environ,
            "MEETMEMO_HOME": home,
            "MEETMEMO_HTTP__PORT": str(port),
            "MEETMEMO_REUSE": "false",
            "MEETMEMO_RAY__NICENESS": str(niceness),
            "MEETMEMO_RAY__NUM_CPUS": str(n_cpus),
        }
        program = [sys.executable, "-m", "cluster.cli"]
        subprocess.run([*program, "up", "--detach"], env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            subprocess.run([*program, "down"], env=environment, check=True, stdout=subprocess.DEVNULL)


@contextmanager
def busy(n_processes: int) -> Iterator[None]:
    """Keep cores busy with processes of niceness 0."""
    running = [subprocess.Popen([sys.executable, "-c", BUSY]) for _ in range(n_processes)]
    try:
        yield
    finally:
        for process in running:
            process.kill()
            process.wait()


def share_of_core(niceness: int, seconds: float) -> float:
    """Return the share of the processor time of two processes on one core that the one of this niceness gets."""
    core = min(os.sched_getaffinity(0))

    def start(by: int) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-c", f"import os; os.nice({by}); os.sched_setaffinity(0, {{{core}}})\n{BUSY}"]
        )

    ours, theirs = start(niceness), start(0)
    try:
        time.sleep(1.0)  # until both run
        before = cpu_ticks(ours.pid), cpu_ticks(theirs.pid)
        time.sleep(seconds)
        mine, other = cpu_ticks(ours.pid) - before[0], cpu_ticks(theirs.pid) - before[1]
    finally:
        for process in (ours, theirs):
            process.kill()
            process.wait()
    return mine / max(1, mine + other)


def cpu_ticks(pid: int) -> int:
    """Return the processor time that a process has had, in clock ticks."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return int(fields[11]) + int(fields[12])


def transcribe_s(url: str, recording: Path) -> float:
    """Return the seconds from the upload of a recording to the end of its job."""
    began = time.monotonic()
    job = httpx.post(f"{url}/v1/jobs?minutes=none&language=en", content=recording.read_bytes(), timeout=120).json()
    while True:
        state = httpx.get(f"{url}/v1/jobs/{job['id']}", timeout=120).json()["state"]
        if state == "succeeded":
            return time.monotonic() - began
        if state in ("failed", "cancelled"):
            raise SystemExit(f"the job {state}")
        time.sleep(0.05)


def main() -> None:
    """Print a row for each niceness."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cluster", action="store_true", help="also transcribe, on a machine that does nothing else")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a measurement of shares")
    parser.add_argument("--recording", type=Path, default=ROOT / "tests/data/meeting-3min.flac")
    parser.add_argument("--niceness", type=int, nargs="+", default=[0, 5, 15])
    parser.add_argument("--busy", type=int, default=len(os.sched_getaffinity(0)), help="busy processes beside")
    parser.add_argument("--cpus", type=int, default=len(os.sched_getaffinity(0)), help="CPUs of the cluster")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--port", type=int, default=18_700)
    given = parser.parse_args()
    load = os.getloadavg()[0]
    print(f"load before {load:.1f}\nniceness  share of a core beside a busy process")
    for niceness in given.niceness:
        print(f"{niceness:8}  {share_of_core(niceness, given.seconds):.1%}", flush=True)
    if not given.cluster:
        return
    print(f"{given.recording.name}, {given.busy} busy processes")
    print("niceness  alone s  beside s  slower by")
    for niceness in given.niceness:
        with cluster(niceness, given.port, given.cpus) as url:
            transcribe_s(url, given.recording)
            alone = sorted(transcribe_s(url, given.recording) for _ in range(given.rounds))
            with busy(given.busy):
                beside = sorted(transcribe_s(url, given.recording) for _ in range(given.rounds))
        median = len(alone) // 2
        print(f"{niceness:8}  {alone[median]:7.1f}  {beside[median]:8.1f}  {beside[median] / alone[median]:8.1f}×")


if __name__ == "__main__":
    main()
