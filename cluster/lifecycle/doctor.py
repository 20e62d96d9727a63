"""``meetmemo doctor``: what this machine has, what is missing, and how to mend it."""

import contextlib
import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from cluster.lifecycle.haproxy import RAYS_FOLDER, SOCKET
from cluster.lifecycle.home_lock import members
from cluster.lifecycle.listeners import listeners
from cluster.lifecycle.running_cluster import RunningCluster, find_running
from cluster.settings.private_files import OTHERS, open_to_others
from cluster.settings.settings import Settings, is_loopback
from cluster.wiring.minutes_writers import check_language_model
from cluster.wiring.models import real_model_hint
from pipelines.errors import MeetMemoError
from pipelines.isolation.seccomp import is_supported
from pipelines.ledger.open import ledger_revision, open_ledger
from pipelines.ledger.schema import SCHEMA_REVISION
from pipelines.models.catalogue import resolve, verify
from pipelines.models.cuda_check import check_cuda
from pipelines.models.devices import find_devices, memory_limit_bytes, usable_cores
from pipelines.models.nvidia_driver import find_driver
from pipelines.storage.open import open_store

GIB = 1 << 30
CONTEXT_MEND = "Give the server a longer context, and set minutes.context_tokens to it; 8192 do."


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing that was looked at; ``mend`` says what to do when it is not ok."""

    subject: str
    status: Literal["ok", "note", "bad"]
    detail: str
    mend: str = ""


def _judged(subject: str, detail: str, *, fault: bool, mend: str, status: Literal["note", "bad"] = "bad") -> Finding:
    """Return a finding that is ok unless there is a ``fault``, and then has a status and says how to mend it."""
    return Finding(subject=subject, status=status if fault else "ok", detail=detail, mend=mend if fault else "")


def examine(settings: Settings) -> Iterator[Finding]:
    """Look at everything a cluster of these settings needs; one finding after the other, none raises."""
    yield _python()
    yield _cores()
    yield _memory()
    yield _system_call_filter()
    yield from _devices()
    yield from _models(settings)
    yield _language_model(settings)
    yield from _identity_provider(settings)
    yield _part("blob store", settings.store_url, lambda: open_store(settings.store_url).check())
    yield from _conditional_writes(settings)
    yield from _ledger(settings)
    yield _disk(settings)
    try:
        running = find_running(settings)
    except MeetMemoError as error:
        yield Finding(subject="home", status="bad", detail=str(error), mend="Examine it as that user.")
        return
    yield _port(settings, running)
    yield _files(settings)
    yield from _proxy_folders(settings)
    if running is not None:
        yield _listeners(settings, running)


def _python() -> Finding:
    version = ".".join(map(str, sys.version_info[:3]))
    return _judged("Python", version, fault=sys.version_info < (3, 11), mend="Install Python 3.11.")


def _cores() -> Finding:
    n_cores = usable_cores()
    mend = "Two or more keep decoding and transcription apart."
    return _judged("CPU cores", str(n_cores), fault=n_cores < 2, status="note", mend=mend)


def _memory() -> Finding:
    gib = memory_limit_bytes() / GIB
    mend = "A cluster with a small model wants 4 GiB, one with large-v3 on the CPU 8 GiB."
    return _judged("memory", f"{gib:.1f} GiB", fault=gib < 4, mend=mend)


def _system_call_filter() -> Finding:
    kept = is_supported()
    return _judged(
        "system call filter",
        "the kernel keeps decoders from other processes" if kept else "the kernel has none for decoders",
        fault=not kept,
        status="note",
        mend="Run each cluster as a user of its own, on Linux with seccomp (x86-64 or ARM64).",
    )


def _devices() -> Iterator[Finding]:
    """Yield the parts of CUDA, and the GPUs where all work. Without a driver there is no GPU, and nothing is bad."""
    parts = check_cuda()
    if all(part.mend for part in parts):
        mend = "Transcription runs on the CPU; docs/install.md says what an NVIDIA GPU needs."
        yield Finding(subject="GPU", status="note", detail="none, and no part of CUDA", mend=mend)
        return
    failed: Literal["bad", "note"] = "bad" if find_driver() else "note"
    for part in parts:
        status = failed if part.mend else "ok"
        yield Finding(subject=part.subject, status=status, detail=part.detail, mend=part.mend)
    gpus = [] if any(part.mend for part in parts) else [gpu for gpu in find_devices() if gpu.kind == "cuda"]
    for gpu in gpus:
        yield Finding(subject=f"GPU {gpu.index}", status="ok", detail=f"{gpu.name}, {gpu.memory_bytes / GIB:.0f} GiB")


def _models(settings: Settings) -> Iterator[Finding]:
    for model in settings.models:
        try:
            files = resolve(model.path or model.name, settings.models_dir)
            verify(files.path)
        except MeetMemoError as error:
            yield Finding(subject=f"model {model.name}", status="bad", detail=error.reason, mend=str(error))
        else:
            yield Finding(subject=f"model {model.name}", status="ok", detail=str(files.path))
    with contextlib.suppress(MeetMemoError):
        if hint := real_model_hint(settings):
            yield Finding(
                subject="models", status="note", detail="for synthetic voices only, to try MeetMemo out", mend=hint
            )


def _language_model(settings: Settings) -> Finding:
    if not settings.llm_configured:
        return Finding(subject="language model", status="note", detail="no key is set; minutes are extractive")
    model = f"{settings.minutes.model} at {settings.minutes.base_url}"
    try:
        check_language_model(settings)
    except MeetMemoError as error:
        return Finding(subject="language model", status="bad", detail=f"{model}: {error}", mend=CONTEXT_MEND)
    if settings.minutes.writer == "extractive":
        return Finding(subject="language model", status="note", detail=f"{model}, for jobs that ask for it")
    return Finding(subject="language model", status="ok", detail=f"{model} writes minutes; it was not asked")


def _identity_provider(settings: Settings) -> Iterator[Finding]:
    """Yield whether the provider answers as the one that is configured; nothing where nobody signs in so."""
    oidc = settings.oidc
    if not oidc.issuer:
        return
    from cluster.wiring.sign_in import ask_provider, redirect_uri  # not for every command: it takes the web framework

    try:
        metadata = ask_provider(settings)
    except MeetMemoError as error:
        mend = "Check oidc.issuer (as the provider writes it, slash and all), its secret, and the way there from here."
        yield Finding(subject="identity provider", status="bad", detail=f"{oidc.issuer}: {error}", mend=mend)
        return
    yield Finding(subject="identity provider", status="ok", detail=f"{oidc.issuer} answers; nobody was signed in")
    if unknown := sorted(set(oidc.scopes) - set(metadata.get("scopes_supported", oidc.scopes))):
        detail = f"the provider lists no scope {', '.join(unknown)}"
        mend = "Ask for those that it has; the one for groups has another name at each provider."
        yield Finding(subject="oidc.scopes", status="note", detail=detail, mend=mend)
    plain = settings.http.public_url.startswith("http:")
    yield _judged(
        "sign-in",
        f"the redirect URI is {redirect_uri(settings)}",
        fault=plain and not is_loopback(urlsplit(settings.http.public_url).hostname or ""),
        status="note",
        mend="Cookies of sessions go over the network in the clear: give http.public_url as https.",
    )


def _part(subject: str, url: str, check: Callable[[], None]) -> Finding:
    try:
        check()
    except MeetMemoError as error:
        return Finding(subject=subject, status="bad", detail=str(error), mend=f"Check {url}.")
    return Finding(subject=subject, status="ok", detail=url)


def _conditional_writes(settings: Settings) -> Iterator[Finding]:
    """Yield whether a bucket keeps conditional writes; nothing for other stores and for unreachable buckets."""
    if not settings.store_url.startswith("s3:"):
        return
    try:
        kept = open_store(settings.store_url).conditional_writes()
    except MeetMemoError:
        return
    detail = "the store keeps them" if kept else "the store ignores them"
    mend = "Do not start two clusters at once that share this store."
    yield _judged("conditional writes", detail, fault=not kept, status="note", mend=mend)


def _ledger(settings: Settings) -> Iterator[Finding]:
    """Yield whether the ledger answers, and whether its tables are this version's. Old tables are left as they are."""
    try:
        found = ledger_revision(settings.ledger_url)
    except MeetMemoError:
        found = SCHEMA_REVISION  # what is wrong is told below
    if found is None or found == SCHEMA_REVISION:
        yield _part("ledger", settings.ledger_url, lambda: open_ledger(settings.ledger_url).check())
        return
    newer = found > SCHEMA_REVISION
    detail = f"its tables are of revision {found}, this version's of {SCHEMA_REVISION}"
    mend = (
        "A newer MeetMemo has used it: run that version."
        if newer
        else "The next `meetmemo up` brings it up to date; older versions cannot use it then, so back it up first."
    )
    yield Finding(subject="ledger", status="bad" if newer else "note", detail=detail, mend=mend)


def _disk(settings: Settings) -> Finding:
    folder = settings.home
    while not folder.exists():
        folder = folder.parent
    gib = shutil.disk_usage(folder).free / GIB
    mend = "An hour of audio in work takes 115 MB per channel; free some space or set MEETMEMO_HOME."
    return _judged("disk", f"{gib:.0f} GiB free under {folder}", fault=gib < 5, mend=mend)


def _port(settings: Settings, running: RunningCluster | None) -> Finding:
    if running is not None:
        return Finding(subject="port", status="ok", detail=f"in use by this home's cluster, {running.url}")
    with socket.socket() as probe:
        taken = probe.connect_ex((settings.http.host, settings.http.port)) == 0
    detail = f"{settings.http.host}:{settings.http.port} is {'taken by another program' if taken else 'free'}"
    return _judged("port", detail, fault=taken, mend="Choose another with --port or MEETMEMO_HTTP__PORT.")


def _files(settings: Settings) -> Finding:
    """Return the home and what lies in it, which other users of this machine must not read."""
    found = open_to_others(settings)
    more = f" and {len(found) - 1} more" if len(found) > 1 else ""
    detail = f"other users may read {found[0]}{more}" if found else f"{settings.home} is closed to other users"
    mend = f"`meetmemo up` closes what is its user's; else: chmod -R go= {settings.home}"
    return _judged("files", detail, fault=bool(found), mend=mend)


def _proxy_folders(settings: Settings) -> Iterator[Finding]:
    """Yield the folders of HAProxy's control socket: users who can enter them may redirect requests with keys."""
    folders = [settings.private_link, settings.proxy_dir]
    if settings.ray.address:  # Ray was started without MeetMemo
        folders = [Path(os.environ.get(SOCKET, RAYS_FOLDER / "admin.sock")).parent]
    folders = [folder for folder in folders if folder.exists()]
    exposed = [folder for folder in folders if folder.stat().st_mode & OTHERS]
    for folder in exposed:
        detail = f"other users may enter {folder}, where its control socket is"
        mend = f"Set {SOCKET} and its like (docs/operations.md) to a closed folder where Ray is started."
        yield _judged("HAProxy", detail, fault=True, mend=mend)
    if folders and not exposed:
        yield Finding(subject="HAProxy", status="ok", detail="its files are closed to other users")


def _listeners(settings: Settings, running: RunningCluster) -> Finding:
    """Return what the running cluster listens on beyond the loopback interface, its endpoint aside."""
    if settings.ray.address:
        detail = "nodes of a cluster listen on their network for each other"
        mend = "Let only nodes reach Ray's ports, and set RAY_AUTH_MODE=token on all of them."
        return _judged("listeners", detail, fault=True, status="note", mend=mend)
    beyond = [
        str(found)
        for found in listeners({running.pid, *members(settings.home)})
        if not found.on_loopback and found.port != settings.http.port
    ]
    return _judged(
        "listeners",
        f"beyond this machine: {', '.join(beyond)}" if beyond else "only the endpoint's port may be reached",
        fault=bool(beyond),
        status="note",
        mend="Let nobody else reach these, or remove Ray's variables that open them from the environment.",
    )
