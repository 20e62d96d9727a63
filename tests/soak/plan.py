"""The work of a soak, drawn from a seed: which item a number stands for, which process a minute's kill hits. Pure."""

import random
from dataclasses import dataclass
from enum import StrEnum

from tests.chaos.plan import Victim


class Kind(StrEnum):
    """How an item comes, and what its submitter does afterwards."""

    UPLOAD = "upload"
    SOURCE = "source"  # named by its URL
    BATCH = "batch"
    RETRY = "retry"  # sent twice at once under one idempotency key
    CANCEL = "cancel"  # cancelled as soon as it is accepted
    PURGE = "purge"  # erased once it has ended
    MEETING = "meeting"  # with minutes, documents and all


SHARES = (
    (Kind.UPLOAD, 45),
    (Kind.SOURCE, 10),
    (Kind.BATCH, 2),  # times `JOBS_PER_BATCH`
    (Kind.RETRY, 8),
    (Kind.CANCEL, 5),
    (Kind.PURGE, 10),
)
"""Kinds of short jobs, by items in proportion."""
JOBS_PER_BATCH = 12
VICTIMS = (Victim.TRANSCRIBER, Victim.SEGMENTER, Victim.COORDINATOR, Victim.MINUTES_WRITER, Victim.INGESTION)


@dataclass(frozen=True, kw_only=True)
class Item:
    """One errand of a tenant; ``name`` is its own in all of the soak, and its idempotency key."""

    number: int
    kind: Kind
    tenant: str
    name: str

    @property
    def prompts(self) -> tuple[str, ...]:
        """The prompts of its jobs, which tell every job of the soak from all others."""
        if self.kind is Kind.BATCH:
            return tuple(f"{self.name} {place}" for place in range(JOBS_PER_BATCH))
        return (self.name,)


@dataclass(frozen=True, kw_only=True)
class Plan:
    """``n_jobs`` short jobs, and ``n_meetings`` spread among them, of ``n_tenants``."""

    seed: int
    n_jobs: int
    n_meetings: int
    n_tenants: int

    @property
    def tenants(self) -> tuple[str, ...]:
        return tuple(f"tenant-{number:03d}" for number in range(self.n_tenants))

    def item(self, number: int) -> Item:
        """Return the item of a number; a soak that goes on makes of it what the one that broke off had made."""
        draw = random.Random(f"{self.seed}/{number}")
        if draw.random() < self.n_meetings / (self.n_meetings + self.n_jobs / _JOBS_PER_ITEM):
            kind = Kind.MEETING
        else:
            kind = draw.choices([kind for kind, _ in SHARES], [share for _, share in SHARES])[0]
        tenant = draw.choice(self.tenants)
        return Item(number=number, kind=kind, tenant=tenant, name=f"soak-{self.seed}-{number}")

    def victim(self, minute: int) -> Victim:
        """Return what is killed in a minute: each kind once in as many minutes as there are kinds."""
        round_, place = divmod(minute, len(VICTIMS))
        return random.Random(f"{self.seed}/kills/{round_}").sample(VICTIMS, len(VICTIMS))[place]


_JOBS_PER_ITEM = sum(share * (JOBS_PER_BATCH if kind is Kind.BATCH else 1) for kind, share in SHARES) / sum(
    share for _, share in SHARES
)
