"""Several short transcripts in one call: fewer calls, and the instructions are paid for once."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar


class Packable(Protocol):
    """Something to send: its size in tokens, and the group within which it may share a call."""

    @property
    def n_tokens(self) -> int: ...

    @property
    def group(self) -> Hashable: ...


Item = TypeVar("Item", bound=Packable)


@dataclass(frozen=True, kw_only=True)
class PackLimits:
    """Limits of one call's prompt.

    Only transcripts of at most ``max_tokens_each`` are packed: in long prompts models lose what stands in the middle
    (Liu et al. 2023, "Lost in the Middle").
    """

    max_items: int = 8
    max_tokens: int = 12_000
    max_tokens_each: int = 3_000


def pack(items: Sequence[Item], limits: PackLimits) -> list[list[Item]]:
    """Distribute items over calls: first-fit decreasing within each group; what is too large goes alone.

    Every item is in exactly one call. Calls come in the order of their first items, items in their order of arrival.
    """
    order = {id(item): index for index, item in enumerate(items)}
    bins: list[list[Item]] = []
    open_bins: dict[Hashable, list[list[Item]]] = {}
    for item in sorted(items, key=lambda item: -item.n_tokens):
        if item.n_tokens > limits.max_tokens_each:
            bins.append([item])
            continue
        for candidate in open_bins.setdefault(item.group, []):
            n_tokens = sum(other.n_tokens for other in candidate)
            if len(candidate) < limits.max_items and n_tokens + item.n_tokens <= limits.max_tokens:
                candidate.append(item)
                break
        else:
            fresh = [item]
            open_bins[item.group].append(fresh)
            bins.append(fresh)
    arranged = [sorted(found, key=lambda item: order[id(item)]) for found in bins]
    return sorted(arranged, key=lambda found: order[id(found[0])])
