"""Who runs a command that works on the ledger itself, for its audit log."""

import os
import pwd

from pipelines.audit import CLI, Doer


def operator() -> Doer:
    """Return the user of this process as the operating system names them; by number where it has no name."""
    user = os.getuid()
    try:
        name = pwd.getpwuid(user).pw_name
    except KeyError:  # a container's user
        name = str(user)
    return Doer(actor=f"{CLI}{name}")
