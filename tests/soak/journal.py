"""The files of a soak, by which one that was broken off goes on: nothing is known that is not written there."""

import json
import os
import threading
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tests.soak.plan import Plan


class Lines:
    """A file of JSON objects, one a line, to which threads append; one that a kill cut off is no line."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        with path.open("a+b") as file:  # the next line is not to go on with one that was cut off
            if file.tell():
                file.seek(-1, os.SEEK_END)
                if file.read(1) != b"\n":
                    file.write(b"\n")

    def append(self, line: dict[str, Any]) -> None:
        with self._lock, self._path.open("a") as file:
            file.write(json.dumps(line, separators=(",", ":")) + "\n")

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for line in self._path.read_text().splitlines():
            try:
                yield json.loads(line)
            except ValueError:
                continue


class Journal:
    """The folder of a soak.

    ``soak.json``: the plan, the receiver's port and secret, the tenants' keys. ``items.jsonl``: what became of each
    item that is done. ``deliveries.jsonl``: what the receiver of webhooks was told. ``samples.csv``: one row a minute.
    ``findings.jsonl``: what went wrong on the way. ``home``, ``postgres``: the cluster's and its ledger's.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self.items = Lines(folder / "items.jsonl")
        self.deliveries = Lines(folder / "deliveries.jsonl")
        self.findings = Lines(folder / "findings.jsonl")
        self.samples = folder / "samples.csv"
        self._state = folder / "soak.json"

    def begin(self, plan: Plan, **others: Any) -> dict[str, Any]:
        """Return what the soak began with: what is there already, else this plan and these values, now written.

        Raises ``ValueError`` for another plan than the one that was begun.
        """
        if not self._state.exists():
            self._state.write_text(json.dumps({"plan": asdict(plan), **others}))
        state: dict[str, Any] = json.loads(self._state.read_text())
        if state["plan"] != asdict(plan):
            raise ValueError(f"{self.folder} holds another soak: {state['plan']}")
        return state

    def keep(self, **values: Any) -> None:
        """Write more of what the soak began with."""
        new = self._state.with_suffix(".new")
        new.write_text(json.dumps(json.loads(self._state.read_text()) | values))
        new.replace(self._state)
