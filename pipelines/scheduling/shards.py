"""Shards: which of several Coordinators drives a job.

A job's bucket is a hash of its id and never changes. Of ``count`` shards each has a range of buckets, so that every job
belongs to exactly one of them, whatever their number.
"""

import zlib
from dataclasses import dataclass

N_BUCKETS = 4096
MAX_SHARDS = 64
_MARK = ":"


def bucket_of(job_id: str) -> int:
    """Return a job's bucket, 0 to `N_BUCKETS` - 1."""
    return zlib.crc32(job_id.encode("utf-8", "replace")) % N_BUCKETS


def shard_index(job_id: str, count: int) -> int:
    """Return which of so many shards a job belongs to."""
    return bucket_of(job_id) * count // N_BUCKETS


@dataclass(frozen=True)
class Shard:
    """One of ``count`` shards, which are numbered from 0. Raises ``ValueError`` for a number that there is not."""

    index: int = 0
    count: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.index < self.count <= MAX_SHARDS:
            raise ValueError(f"there is no shard {self.index} of {self.count}; there may be {MAX_SHARDS}")

    @property
    def buckets(self) -> range:
        """The buckets whose jobs belong to it."""
        return range(_first_bucket(self.index, self.count), _first_bucket(self.index + 1, self.count))

    @property
    def is_whole(self) -> bool:
        """Whether there is no other."""
        return self.count == 1

    def owns(self, key: str) -> bool:
        """Return whether a job, or whatever else has an id, belongs to it."""
        return shard_index(key, self.count) == self.index

    def overlaps(self, other: "Shard") -> bool:
        """Return whether a job may belong to both: shards of one number never overlap."""
        mine, theirs = self.buckets, other.buckets
        return mine.start < theirs.stop and theirs.start < mine.stop

    def divided(self, n: int) -> int:
        """Return its part of something that all shards have together, rounded up."""
        return -(-n // self.count)

    def named(self, token: str) -> str:
        """Return a token that also says whose it is (`index_named`); that of an only shard says nothing."""
        return token if self.is_whole else f"{self.index}{_MARK}{token}"


WHOLE = Shard()
"""The only shard there is: all jobs belong to it."""


def index_named(token: str) -> int | None:
    """Return the number of the shard that named a token; None where there is only one."""
    index, mark, _ = token.partition(_MARK)
    return int(index) if mark else None


def _first_bucket(index: int, count: int) -> int:
    return -(-index * N_BUCKETS // count)
