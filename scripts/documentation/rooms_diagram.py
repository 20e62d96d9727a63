"""Draw the rooms: a Mermaid diagram of import-linter's ``layers`` contracts, between two marks of a document."""

import tomllib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

BEGIN = "<!-- Rooms: made by scripts/draw-rooms from the contracts in pyproject.toml. -->"
END = "<!-- End of rooms. -->"


def with_rooms(document: str, pyproject: str) -> str:
    """Put the diagram between the marks of a document. Raises `ValueError` where they are missing."""
    before, begin, rest = document.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"there is no {BEGIN!r} with {END!r} after it")
    return f"{before}{BEGIN}\n\n{diagram(contracts(pyproject))}\n{END}{after}"


def contracts(pyproject: str) -> list[Mapping[str, Any]]:
    """Return the ``layers`` contracts of import-linter."""
    linter = tomllib.loads(pyproject)["tool"]["importlinter"]
    return [contract for contract in linter["contracts"] if contract["type"] == "layers"]


def diagram(found: Iterable[Mapping[str, Any]]) -> str:
    """Draw one box for each contract, in it one for each layer; imports run along the arrows."""
    lines = ["```mermaid", "flowchart TB"]
    for number, contract in enumerate(found):
        lines += [f'    subgraph contract{number}["{contract["name"]}"]', "        direction TB"]
        names = [f"layer{number}_{row}" for row in range(len(contract["layers"]))]
        for name, layer in zip(names, contract["layers"], strict=True):
            lines.append(f'        {name}["{"<br/>".join(siblings(layer, contract.get("containers", ())))}"]')
        if len(names) > 1:
            lines.append(f"        {' --> '.join(names)}")
        lines.append("    end")
    return "\n".join([*lines, "```", ""])


def siblings(layer: str, containers: Iterable[str]) -> Iterator[str]:
    """Yield the packages of a layer: ``a | b`` and ``a : b`` stand beside each other, ``(a)`` may be missing."""
    prefix = "".join(f"{container}." for container in containers) if len(tuple(containers)) == 1 else ""
    for name in layer.replace(":", "|").split("|"):
        yield prefix + name.strip().strip("()")
