"""`ReviewCursor`: the place of an item among the others, as pages continue by it."""

import base64
import binascii
import math
from dataclasses import dataclass

from pipelines.errors import InvalidRequest


@dataclass(frozen=True, kw_only=True)
class ReviewCursor:
    """The item's ``place``, its score or when it was heard, which falls from item to item; of equal ones its ``id``."""

    heard: bool
    place: float
    id: str

    def __str__(self) -> str:
        return base64.urlsafe_b64encode(f"{int(self.heard)} {self.place!r} {self.id}".encode()).decode()

    @classmethod
    def parse(cls, cursor: str, *, heard: bool) -> "ReviewCursor":
        """Return the place that a page of this list ended with; raises `InvalidRequest`."""
        try:
            kind, place, name = base64.b64decode(cursor, altchars=b"-_", validate=True).decode("ascii").split(" ")
            if kind == str(int(heard)) and math.isfinite(float(place)):
                return cls(heard=heard, place=float(place), id=name)
        except (binascii.Error, ValueError):
            pass
        raise InvalidRequest("the cursor is not one of a page before")
