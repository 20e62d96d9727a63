"""The audit log: who read, corrected, exported and deleted what, each entry chained to the one before.

A tenant's entries are numbered without gaps, and each carries the SHA-256 of itself and of the digest before it: an
entry that is changed, removed or put in between breaks the chain (`check`). Whoever can rewrite the whole database can
make a new chain; a digest that was noted elsewhere (`AuditHead`) shows that, too.
"""

import hashlib
import json
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

NO_DIGEST = "0" * 64
"""Stands before the first entry of a log."""

SYSTEM = "system:"
"""Begins the actors that are no credentials, such as ``system:retention``."""

USER = "user:"
"""Begins the actors that are people who signed in."""

CLI = "cli:"
"""Begins the actors of commands that work on the ledger themselves: ``cli:USER``, by the operating system's name."""


class AuditAction(StrEnum):
    """The kind of a deed; part of the public API."""

    READ = "read"
    SEARCH = "search"
    CORRECT = "correct"
    EXPORT = "export"
    ERASE = "erase"
    DELETE_AUDIO = "delete_audio"
    REDO = "redo"
    HOLD = "hold"
    RELEASE = "release"
    ENROL_VOICE = "enrol_voice"
    DELETE_VOICE = "delete_voice"
    CREATE_KEY = "create_key"
    REVOKE_KEY = "revoke_key"
    END_SESSION = "end_session"
    READ_AUDIT = "read_audit"


class ObjectKind(StrEnum):
    """The kind of thing that a deed was done to."""

    JOB = "job"
    BATCH = "batch"
    VOICE = "voice"
    KEY = "key"
    SESSION = "session"
    HOLD = "hold"
    TENANT = "tenant"


Detail = tuple[tuple[str, str | int], ...]


@dataclass(frozen=True, kw_only=True)
class Deed:
    """What somebody did to something; ``detail`` names parts and numbers of it, never contents.

    ``actor`` is the credential ("" where nobody is asked who they are), or begins with `SYSTEM` or `CLI`. ``at_s``
    (Unix seconds) is None for the time at which it is entered. ``n_times``: it was repeated so often within a moment.
    """

    tenant: str
    action: AuditAction
    actor: str
    kind: ObjectKind
    object_id: str
    request_id: str = ""
    detail: Detail = ()
    at_s: float | None = None
    n_times: int = 1


@dataclass(frozen=True, kw_only=True)
class Doer:
    """Who does something, and in which request, for a `Deed` that is made where the thing is found."""

    actor: str
    request_id: str = ""

    def deed(self, action: AuditAction, *, tenant: str, kind: ObjectKind, object_id: str, detail: Detail = ()) -> Deed:
        """Return the deed."""
        return Deed(
            tenant=tenant,
            action=action,
            actor=self.actor,
            kind=kind,
            object_id=object_id,
            request_id=self.request_id,
            detail=detail,
        )


@dataclass(frozen=True, kw_only=True)
class AuditEntry:
    """An entered deed; ``seq`` counts a tenant's from 1, ``digest`` chains it to the one before (SHA-256, hex)."""

    seq: int
    at_s: float
    deed: Deed
    digest: str


@dataclass(frozen=True, kw_only=True)
class AuditHead:
    """The ends of a tenant's log: the last entry, and the last of those that retention removed (0: none)."""

    seq: int = 0
    digest: str = NO_DIGEST
    pruned_seq: int = 0
    pruned_digest: str = NO_DIGEST


@dataclass(frozen=True, kw_only=True)
class AuditFilter:
    """Narrow a list of entries; a field that is left out narrows nothing. Times are Unix seconds, the later one out."""

    action: AuditAction | None = None
    actor: str | None = None
    object_id: str = ""
    from_s: float | None = None
    before_s: float | None = None

    def takes(self, entry: AuditEntry) -> bool:
        """Return whether an entry is among those that are left."""
        return (
            self.action in (None, entry.deed.action)
            and self.actor in (None, entry.deed.actor)
            and (not self.object_id or self.object_id == entry.deed.object_id)
            and (self.from_s is None or entry.at_s >= self.from_s)
            and (self.before_s is None or entry.at_s < self.before_s)
        )


ALL_ENTRIES = AuditFilter()


@dataclass(frozen=True, kw_only=True)
class AuditPage:
    """Some entries, newest first; ``next_cursor`` continues after the last one and is None at the end."""

    entries: tuple[AuditEntry, ...]
    next_cursor: str | None


class AuditLog(Protocol):
    """The log of all tenants. Methods block and are thread-safe, and raise `LedgerUnavailable`.

    Entries about a change are written by the call that makes it, in its transaction; `append` is for the others.
    """

    def append(self, deeds: Sequence[Deed]) -> None:
        """Enter deeds in one transaction, in their order."""

    def list(
        self, tenant: str, wanted: AuditFilter = ALL_ENTRIES, *, limit: int = 50, after: str | None = None
    ) -> AuditPage:
        """Return one page of a tenant's entries, newest first; raises `InvalidRequest` for no cursor."""

    def walk(self, tenant: str, *, after_seq: int = 0, limit: int = 1000) -> Sequence[AuditEntry]:
        """Return a tenant's entries after a number, oldest first."""

    def head(self, tenant: str) -> AuditHead:
        """Return the ends of a tenant's log."""

    def prune(self, before_s: float) -> int:
        """Remove every tenant's entries up to the first that is not older; return how many. The chain stays whole."""


def chained(deed: Deed, *, seq: int, at_s: float, previous: str) -> AuditEntry:
    """Return the entry of a deed that follows the digest ``previous``."""
    at_s = round(deed.at_s if deed.at_s is not None else at_s, 3)
    entry = AuditEntry(seq=seq, at_s=at_s, deed=replace(deed, at_s=None), digest="")
    return replace(entry, digest=digest_of(entry, previous))


def digest_of(entry: AuditEntry, previous: str) -> str:
    """Return the SHA-256 (hex) of an entry and of the digest before it."""
    deed = entry.deed
    words = [
        previous,
        deed.tenant,
        entry.seq,
        entry.at_s,
        deed.action,
        deed.actor,
        deed.kind,
        deed.object_id,
        deed.request_id,
        deed.detail,
        deed.n_times,
    ]
    return hashlib.sha256(json.dumps(words, ensure_ascii=True, separators=(",", ":")).encode()).hexdigest()


@dataclass(frozen=True, kw_only=True)
class AuditCheck:
    """The outcome of a check: how many entries are whole, and the first fault ("" where there is none)."""

    n_entries: int
    head: AuditHead
    fault: str = ""


def check(log: AuditLog, tenant: str, *, known: tuple[int, str] | None = None) -> AuditCheck:
    """Walk a tenant's whole log and compare every digest; ``known`` is an entry's number and digest noted earlier.

    What is written meanwhile is not looked at.
    """
    head = log.head(tenant)
    seq, digest, n_entries = head.pruned_seq, head.pruned_digest, 0
    held = {seq: digest}
    for entry in walked(log, tenant, head):
        if entry.seq != seq + 1:
            return AuditCheck(n_entries=n_entries, head=head, fault=f"entry {seq + 1} is missing")
        if entry.digest != digest_of(entry, digest):
            return AuditCheck(n_entries=n_entries, head=head, fault=f"entry {entry.seq} was changed")
        seq, digest, n_entries = entry.seq, entry.digest, n_entries + 1
        if known and seq == known[0]:
            held[seq] = digest
    if (seq, digest) != (head.seq, head.digest):
        return AuditCheck(n_entries=n_entries, head=head, fault=f"the log ends at entry {seq}, not at {head.seq}")
    later = log.walk(tenant, after_seq=head.seq, limit=1)
    if later and log.head(tenant).seq < later[0].seq:  # read last: it is not one that was written meanwhile
        return AuditCheck(n_entries=n_entries, head=head, fault=f"entry {later[0].seq} is beyond the end")
    if known and known[0] > head.pruned_seq and held.get(known[0]) != known[1]:
        return AuditCheck(n_entries=n_entries, head=head, fault=f"entry {known[0]} is not the one that was noted")
    return AuditCheck(n_entries=n_entries, head=head)


def walked(log: AuditLog, tenant: str, head: AuditHead) -> Iterator[AuditEntry]:
    """Yield a tenant's entries up to the head, oldest first, page by page."""
    seq = head.pruned_seq
    while seq < head.seq:
        entries = [entry for entry in log.walk(tenant, after_seq=seq) if entry.seq <= head.seq]
        if not entries:
            return
        yield from entries
        seq = entries[-1].seq


def chain(deeds: Iterable[Deed], head: AuditHead, now_s: float) -> tuple[list[AuditEntry], AuditHead]:
    """Return the entries of one tenant's deeds after a head, and the head after them."""
    entries: list[AuditEntry] = []
    for deed in deeds:
        entry = chained(deed, seq=head.seq + 1, at_s=now_s, previous=head.digest)
        entries.append(entry)
        head = replace(head, seq=entry.seq, digest=entry.digest)
    return entries, head
