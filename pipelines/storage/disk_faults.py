"""Map an operating system's fault at writing to its meaning: storage is unavailable, or full."""

import errno

from pipelines.errors import StoreFull, StoreUnavailable

_FULL = (errno.ENOSPC, errno.EDQUOT)


def writing_fault(error: OSError, what: str) -> StoreUnavailable:
    """Return the error to raise when ``what`` ("the spool folder") cannot be written."""
    kind = StoreFull if error.errno in _FULL else StoreUnavailable
    return kind(f"{what} cannot be written: {error.strerror or error}")
