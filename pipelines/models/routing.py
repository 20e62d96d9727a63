"""`ModelRoute`: chunks of jobs for one model that another one decodes, a share of them or all. Pure.

A share is a canary, all is a promotion. Which chunks go is decided by a hash of job and chunk, so that every
Coordinator decides the same and a larger share holds those of a smaller one.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from pipelines.errors import OptionError
from pipelines.models.profile import ModelProfile

_SCALE = 1 << 64


@dataclass(frozen=True, kw_only=True)
class ModelRoute:
    """``share`` (above 0, at most 1) of the chunks of jobs for model ``of`` go to model ``to``."""

    of: str
    to: str
    share: float

    def __post_init__(self) -> None:
        if not 0 < self.share <= 1:
            raise OptionError(f"a share is above 0 and at most 1, not {self.share:g}")
        if self.of == self.to:
            raise OptionError(f"{self.to} cannot stand in for itself")

    def takes(self, job_id: str, chunk: int) -> bool:
        """Return whether this chunk goes to the other model."""
        digest = hashlib.sha256(f"{job_id}/{chunk}".encode()).digest()
        return int.from_bytes(digest[:8]) < self.share * _SCALE


def with_route(routes: Iterable[ModelRoute], route: ModelRoute) -> tuple[ModelRoute, ...]:
    """Return the routes with this one in place of the same model's. Raises `OptionError` for a chain of them."""
    others = tuple(other for other in routes if other.of != route.of)
    if any(other.of == route.to or other.to == route.of for other in others):
        raise OptionError(f"{route.to} or {route.of} is part of another canary: end that first")
    return (*others, route)


def misfit(of: ModelProfile, to: ModelProfile) -> str:
    """Return why a model cannot decode what was cut for another one; "" when it can."""
    if to.window_s < of.window_s:
        return f"its rows have {to.window_s:g} s, those that are cut have {of.window_s:g} s"
    if to.languages is not None and (of.languages is None or not set(of.languages) <= set(to.languages)):
        return f"it knows {', '.join(to.languages)} only"
    if of.can_translate and not to.can_translate:
        return "it does not translate"
    return ""


def to_text(routes: Sequence[ModelRoute]) -> str:
    """Encode routes for the ledger."""
    return json.dumps([asdict(route) for route in routes])


def from_text(text: str) -> tuple[ModelRoute, ...]:
    """Decode the routes that `to_text` encoded."""
    return tuple(ModelRoute(**values) for values in json.loads(text))
