"""Ports that processes of this machine listen on, as the kernel lists them (Linux)."""

import contextlib
import ipaddress
import os
import socket
import struct
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

_LISTEN = "0A"


@dataclass(frozen=True, kw_only=True)
class Listener:
    """A TCP port that a process accepts connections on."""

    pid: int
    name: str
    host: str
    port: int

    @property
    def on_loopback(self) -> bool:
        """Whether only processes of this machine reach it."""
        address = ipaddress.ip_address(self.host)
        mapped = getattr(address, "ipv4_mapped", None)
        return (mapped or address).is_loopback

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port} ({self.name})"


def listeners(pids: Collection[int]) -> list[Listener]:
    """List what these processes listen on; those of other users are left out, and without /proc all are."""
    bound = {**_bound("tcp", socket.AF_INET), **_bound("tcp6", socket.AF_INET6)}
    found = set()
    for pid in pids:
        name = ""
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            name = Path(f"/proc/{pid}/comm").read_text().strip()
            for entry in os.scandir(f"/proc/{pid}/fd"):
                with contextlib.suppress(OSError):
                    where = bound.get(os.readlink(entry.path))
                    if where is not None:
                        found.add(Listener(pid=pid, name=name, host=where[0], port=where[1]))
    return sorted(found, key=lambda listener: (listener.port, listener.pid))


def _bound(table: str, family: socket.AddressFamily) -> dict[str, tuple[str, int]]:
    """Map the name that a file descriptor links to, to the address and port of its listening socket."""
    try:
        lines = Path(f"/proc/net/{table}").read_text().splitlines()[1:]
    except OSError:
        return {}
    bound = {}
    for line in lines:
        fields = line.split()
        local, state, inode = fields[1], fields[3], fields[9]
        if state == _LISTEN:
            address, _, port = local.partition(":")
            # The kernel prints the address word by word in the machine's order of bytes.
            words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
            host = socket.inet_ntop(family, struct.pack(f"={len(words)}I", *words))
            bound[f"socket:[{inode}]"] = (host, int(port, 16))
    return bound
