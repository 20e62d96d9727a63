"""Several hosts on one machine: network namespaces with an address each on a common bridge (Linux, root)."""

import contextlib
import ipaddress
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path


def can_make_hosts() -> bool:
    """Whether this machine lets us make network namespaces."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    try:
        with network("probe"):
            return True
    except subprocess.CalledProcessError:
        return False


@dataclass(frozen=True, kw_only=True)
class Host:
    """A network namespace, and the end of its cable at the bridge."""

    name: str
    address: str
    cable: str

    def cut(self) -> None:
        """Pull the cable: nothing gets in or out, and nobody is told."""
        _ip("link", "set", self.cable, "down")

    def mend(self) -> None:
        """Plug the cable in again."""
        _ip("link", "set", self.cable, "up")

    def command(self, command: list[str], *, mounts: dict[Path, Path]) -> list[str]:
        """What runs a command on this host. ``mounts``: folders of its own, by the path at which it sees them."""
        binds = [f"mount --bind {own} {seen}" for seen, own in mounts.items()]
        # `ip netns exec` gives the command mounts of its own as well.
        return ["ip", "netns", "exec", self.name, "sh", "-c", " && ".join([*binds, 'exec "$@"']), "sh", *command]


@dataclass(frozen=True, kw_only=True)
class Network:
    """A bridge: this machine's own address there, and the addresses of all."""

    tag: str
    gateway: str
    subnet: str

    @contextmanager
    def host(self, number: int) -> Iterator[Host]:
        """A host for the duration of the block; ``number`` (from 1) makes its address."""
        name, inner, cable = f"{self.tag}-{number}", f"{self.tag}i{number}", f"{self.tag}o{number}"
        address = str(ipaddress.ip_address(self.gateway) + number)
        with ExitStack() as stack:
            _ip("netns", "add", name)
            stack.callback(_quietly, "netns", "delete", name)
            _ip("link", "add", cable, "type", "veth", "peer", "name", inner)
            stack.callback(_quietly, "link", "delete", cable)
            _ip("link", "set", inner, "netns", name)
            _ip("link", "set", cable, "master", f"{self.tag}br")
            _ip("link", "set", cable, "up")
            _ip("-n", name, "address", "add", f"{address}/24", "dev", inner)
            _ip("-n", name, "link", "set", inner, "up")
            _ip("-n", name, "link", "set", "lo", "up")
            yield Host(name=name, address=address, cable=cable)


@contextmanager
def network(tag: str = "hosts") -> Iterator[Network]:
    """A bridge with a subnet that this process alone uses. Raises ``CalledProcessError`` where that is not allowed."""
    unique = f"mm{tag[:2]}{os.getpid() % 10_000}"  # names of links may have 15 characters
    third = os.getpid() % 250 + 1
    made = Network(tag=unique, gateway=f"10.213.{third}.1", subnet=f"10.213.{third}.0/24")
    with ExitStack() as stack:
        _ip("link", "add", f"{unique}br", "type", "bridge")
        stack.callback(_quietly, "link", "delete", f"{unique}br")
        _ip("address", "add", f"{made.gateway}/24", "dev", f"{unique}br")
        _ip("link", "set", f"{unique}br", "up")
        yield made


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True, text=True)


def _quietly(*arguments: str) -> None:
    with contextlib.suppress(subprocess.CalledProcessError):
        _ip(*arguments)
