"""Several short transcripts in one call: fewer calls, and the instructions are paid for once."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, kw_only=True)
class PackLimits:
    """How much goes into one call.

    Only transcripts of at most ``max_tokens_each`` are packed: in long prompts models lose what stands in the middle
    (Liu et al. 2023, "Lost in the Middle").
    """

    max_items: int = 8
    max_tokens: int = 12_000
    max_tokens_each: int = 3_000


@dataclass(frozen=True, kw_only=True)
class Parcel(Generic[T]):
    """Something to send: its size in tokens, and the group within which it may share a call."""

    item: T
    n_tokens: int
    group: Hashable


def pack(parcels: Sequence[Parcel[T]], limits: PackLimits) -> list[list[T]]:
    """Distribute parcels over calls: first-fit decreasing within each group; what is too large goes alone.

    Every item is in exactly one call. Calls come in the order of their first items, items in their order of arrival.
    """
    order = {id(parcel): index for index, parcel in enumerate(parcels)}
    bins: list[list[Parcel[T]]] = []
    open_bins: dict[Hashable, list[list[Parcel[T]]]] = {}
    for parcel in sorted(parcels, key=lambda parcel: -parcel.n_tokens):
        if parcel.n_tokens > limits.max_tokens_each:
            bins.append([parcel])
            continue
        for candidate in open_bins.setdefault(parcel.group, []):
            n_tokens = sum(other.n_tokens for other in candidate)
            if len(candidate) < limits.max_items and n_tokens + parcel.n_tokens <= limits.max_tokens:
                candidate.append(parcel)
                break
        else:
            fresh = [parcel]
            open_bins[parcel.group].append(fresh)
            bins.append(fresh)
    arranged = [sorted(found, key=lambda parcel: order[id(parcel)]) for found in bins]
    arranged.sort(key=lambda found: order[id(found[0])])
    return [[parcel.item for parcel in found] for found in arranged]
