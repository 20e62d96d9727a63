"""Attacks from the same machine: what another user of it can read, reach and change, and what is left after erasing."""

import base64
import os
import re
import shutil
import stat
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

from cluster.lifecycle.listeners import listeners
from tests.attack.run import Probe
from tests.attack.target import Finding, NotApplicable, Target, expect
from tests.support.recordings import RECORDINGS

NOBODY = 65534
ERASED_WITHIN_S = 30.0
CONFINED_WITHIN_S = 30.0
CONFINING_TAKES_S = 0.2
RAY_FOLDER = "t"
"""Where `tests.hosts.fleet` has Ray keep its session."""

TRY_SOCKETS = """
import socket, sys
for path in sys.stdin.read().split("\\n"):
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(2)
        try:
            probe.connect(path)
        except OSError:
            continue
        print(path)
"""


def _sockets_of(pid: int) -> Iterator[str]:
    try:
        for descriptor in os.listdir(f"/proc/{pid}/fd"):
            link = os.readlink(f"/proc/{pid}/fd/{descriptor}")
            if link.startswith("socket:["):
                yield link[8:-1]
    except OSError:  # it ended while we looked
        return


def open_ports(target: Target) -> str:
    """Nothing but the endpoint listens where other machines reach it."""
    if not target.one_host:
        raise NotApplicable("several hosts talk to each other; Ray asks for its token there")
    found = listeners({process.pid for process in target.processes()})
    if not found:
        raise Finding("no listener of the cluster was found: the probe sees nothing")
    endpoint = urlsplit(target.url).port
    reached = [str(each) for each in found if not each.on_loopback and each.port != endpoint]
    if reached:
        raise Finding("; ".join(reached))
    return f"{len(found)} listeners, all but the endpoint on loopback"


def sockets_of_others(target: Target) -> str:
    """Another user of the machine can connect to no Unix socket of the cluster, HAProxy's admin socket first of all."""
    if not target.one_host:
        raise NotApplicable("on several hosts Ray is started by the operator, in a folder of the operator's")
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        raise NotApplicable("only root can become another user, with setpriv")
    inodes = {inode for process in target.processes() for inode in _sockets_of(process.pid)}
    paths = set()
    for line in Path("/proc/net/unix").read_text(encoding="utf-8", errors="replace").splitlines()[1:]:
        fields = line.split(maxsplit=7)
        if len(fields) == 8 and fields[6] in inodes and fields[7].startswith("/"):
            paths.add(re.sub(r"\.\d+\.tmp$", "", fields[7]))  # HAProxy binds one name and renames it
    tried = subprocess.run(
        [*_as_nobody(), sys.executable, "-c", TRY_SOCKETS],
        input="\n".join(sorted(paths)),
        capture_output=True,
        text=True,
        check=False,
    )
    if tried.returncode:
        raise NotApplicable(f"nobody cannot run Python here: {tried.stderr.strip()[-100:]}")
    if tried.stdout.strip():
        raise Finding(f"anybody may connect to {', '.join(tried.stdout.split())}")
    return f"{len(paths)} sockets closed to others"


def _as_nobody() -> list[str]:
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]


def files_of_others(target: Target) -> str:
    """Nothing in the home, and nothing that the cluster has written elsewhere, may be read by others."""
    home = target.own_home()
    if os.stat(home).st_mode & 0o077:
        raise Finding(f"the home has the mode {stat.S_IMODE(os.stat(home).st_mode):o}")
    open_to_others = []
    n_files = 0
    for folder, folders, names in os.walk(home):
        if not target.one_host:
            folders[:] = [name for name in folders if name != RAY_FOLDER]
        for name in names:
            path = Path(folder, name)
            mode = path.lstat().st_mode
            n_files += 1
            if stat.S_ISREG(mode) and mode & 0o077 and "models" not in path.relative_to(home).parts[:1]:
                open_to_others.append(f"{path.relative_to(home)} {stat.S_IMODE(mode):o}")
    if open_to_others:
        raise Finding(f"{len(open_to_others)} files are open to others: {', '.join(sorted(open_to_others)[:5])}")
    # On several hosts Ray is started by the operator, with the umask that the operator has.
    ours = [process for process in target.processes() if target.one_host or "ServeReplica:meetmemo" in process.title]
    masks = {_status(process.pid).get("Umask", "") for process in ours}
    if masks - {"0077", ""}:
        raise Finding(f"processes write with the umasks {', '.join(sorted(masks))}")
    return f"{n_files} files closed to others"


def confined_decoder(target: Target) -> str:
    """The process that decodes a recording has a system call filter and no new privileges."""
    target.processes()
    job_id = target.submit(recording="meeting-12min.mp3", minutes="none")
    seen: dict[str, str] = {}
    deadline_s = time.monotonic() + CONFINED_WITHIN_S
    try:
        while not seen and time.monotonic() < deadline_s:
            for process in target.processes():
                if "pipelines.audio.sandbox_host" in process.title:
                    status = _status(process.pid)
                    if status.get("NoNewPrivs") == "1":  # the host itself has not given up anything yet
                        time.sleep(CONFINING_TAKES_S)  # the filter is the step after this one
                        seen = _status(process.pid)
    finally:
        target.request("DELETE", f"/v1/jobs/{job_id}")
        target.purge(job_id)
    if not seen:
        raise NotApplicable("no process was seen while it decoded")
    if seen.get("Seccomp") != "2":
        raise Finding("a decoder runs without a filter of system calls")
    return "system calls filtered, no new privileges"


def _status(pid: int) -> dict[str, str]:
    try:
        lines = Path(f"/proc/{pid}/status").read_text(encoding="ascii", errors="replace").splitlines()
    except OSError:
        return {}
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def traces_after_purge(target: Target) -> str:
    """After a job was erased, nothing that is stored holds its name, its metadata or its options."""
    home = target.own_home()
    mark = f"attack{uuid.uuid4().hex}"
    jobs = [target.submit(filename=f"{mark}.wav", minutes_title=f"{mark} title", metadata=f'{{"case": "{mark}"}}')]
    jobs.append(_by_tus(target, mark))
    for job_id in jobs:
        state = target.wait_for_end(job_id)
        if state != "succeeded":
            raise Finding(f"an honest job ended as {state}")

    def traces() -> list[str]:
        return [*_holding(home, mark), *target.traces_of(mark)]

    if not traces():
        raise Finding("the name was found nowhere before it was erased: the probe sees nothing")
    for job_id in jobs:
        target.purge(job_id)
    deadline_s = time.monotonic() + ERASED_WITHIN_S
    while (left := traces()) and time.monotonic() < deadline_s:
        time.sleep(0.5)
    if left:
        raise Finding(f"{', '.join(left[:5])} still hold the name after {ERASED_WITHIN_S:.0f} s")
    return "nothing is left of a form and a tus upload"


def _by_tus(target: Target, mark: str) -> str:
    """Upload a sample by tus; return the job's id."""
    content = (RECORDINGS / "blip.wav").read_bytes()
    named = ",".join(
        f"{name} {base64.b64encode(value.encode()).decode()}"
        for name, value in (("filename", f"{mark}-tus.wav"), ("minutes_title", mark))
    )
    tus = {"tus-resumable": "1.0.0"}
    begun = target.request(
        "POST", "/v1/uploads", headers={**tus, "upload-length": str(len(content)), "upload-metadata": named}
    )
    expect(begun, 201, about="an honest tus upload")
    piece = {**tus, "content-type": "application/offset+octet-stream", "upload-offset": "0"}
    path = urlsplit(begun.headers["location"]).path
    sent = target.request("PATCH", path, headers=piece, content=content)
    expect(sent, 204, about="an honest piece")
    return sent.headers["x-meetmemo-job"]


def _holding(home: Path, text: str) -> list[str]:
    """Files below the home that hold a text, in their names or in their bytes."""
    found = []
    for path in home.rglob("*"):
        try:
            inside = path.is_file() and text.encode() in path.read_bytes()
        except OSError:  # it went while we looked, or is no plain file
            continue
        if inside or text in path.name:
            found.append(str(path.relative_to(home)))
    return found


PROBES = (
    Probe(threat="ports that other machines reach", run=open_ports),
    Probe(threat="sockets that other users reach", run=sockets_of_others),
    Probe(threat="files that other users read", run=files_of_others),
    Probe(threat="a decoder that breaks out", run=confined_decoder),
    Probe(threat="traces after erasing", run=traces_after_purge),
)
