"""`SearchCursor`: the place of a hit among the others, as pages continue by it."""

import base64
import binascii
import math
from dataclasses import dataclass

from pipelines.errors import InvalidRequest
from pipelines.search.protocol import SearchSort


@dataclass(frozen=True, order=True, kw_only=True)
class SearchCursor:
    """The hit's place: ``score`` is negative and ``order`` falls with age, so that the first one is the least."""

    sort: SearchSort
    score: float
    order: int

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"{self.sort.value} {self.score!r} {self.order}".encode()).decode()

    @classmethod
    def parse(cls, cursor: str, sort: SearchSort) -> "SearchCursor":
        """Return the place that a page of this order ended with; raises `InvalidRequest`."""
        try:
            kind, score, order = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii").split(" ")
            if kind == sort.value and math.isfinite(float(score)) and -(1 << 63) < int(order) <= 0:
                return cls(sort=sort, score=float(score), order=int(order))
        except (binascii.Error, ValueError):
            pass
        raise InvalidRequest("the cursor is not one of a page before")
