"""`Reference`: what a recording is called where it comes from."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Reference:
    """The submitter's own id of a recording ("" where there is none), one job of a tenant each, and words to keep.

    ``metadata`` are pairs of name and value that are shown and never looked into.
    """

    external_id: str = ""
    metadata: tuple[tuple[str, str], ...] = ()


NO_REFERENCE = Reference()
