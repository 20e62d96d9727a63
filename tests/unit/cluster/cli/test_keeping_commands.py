"""`meetmemo audit|hold|receipts|retention|export`: what they ask for, what they show, how they end."""

import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from cluster.cli.main import app
from cluster.client.http import Client
from pipelines.jobs.events import Claimed, ResultsStored, Segmented, TranscriptStored
from pipelines.jobs.reference import Reference
from pipelines.keeping.receipts import document, signed
from pipelines.keeping.signing import ReceiptKey, new_key
from pipelines.ledger.open import open_ledger
from tests.contracts.ledger_base import after, make_job, won
from tests.unit.pipelines.keeping.test_receipts import receipt

ENTRY = {
    "seq": 7,
    "at": "2026-11-01T10:00:00Z",
    "action": "read",
    "actor": "[red]key",
    "kind": "job",
    "object": "j1",
    "request_id": "r",
    "detail": {"what": "minutes.pdf"},
    "times": 3,
    "digest": "ab",
}
HOLD = {
    "id": "h1",
    "name": "Doe",
    "reason": "a letter",
    "job": None,
    "batch": "b1",
    "external_id": None,
    "metadata": ["matter=17"],
    "placed_by": "ann",
    "placed_at": "2026-11-01T10:00:00Z",
    "active": True,
    "released_at": None,
}


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    asked: list[Any] = []

    def answering(name: str, *answers: dict[str, Any]) -> None:
        left = list(answers)

        async def answer(_: Client, *arguments: Any) -> dict[str, Any]:
            asked.append((name, *arguments))
            return left.pop(0) if len(left) > 1 else left[0]

        monkeypatch.setattr(Client, name, answer)

    answering("audit", {"entries": [ENTRY], "next": "/v1/audit?cursor=7"}, {"entries": [ENTRY], "next": None})
    whole = {"whole": True, "fault": "", "entries": 7, "seq": 7, "digest": "ab", "removed": 0}
    answering("check_audit", whole, {**whole, "whole": False, "fault": "entry 3 is missing"})
    for name in ("hold_job", "place_hold", "release_hold", "release_job"):
        answering(name, HOLD)
    answering("holds", {"holds": [HOLD]})
    answering("receipts", {"receipts": [document(receipt())], "next": None})
    return asked


def run(*arguments: str, code: int = 0, here: bool = False, **env: str) -> str:
    url = [] if here else ["--url", "http://127.0.0.1:1"]
    outcome = CliRunner().invoke(app, [*arguments, *url], env={"COLUMNS": "250", **env})
    assert outcome.exit_code == code, (outcome.output, outcome.exception)
    return outcome.output


def test_the_audit_log(asked: list[Any], tmp_path: Path) -> None:
    """Filters are sent as the API takes them; an export goes through all pages; a check that fails ends with 1."""
    told = run("audit", "list", "--action", "read", "--actor", "k", "--object", "j1", "--since", "2026-11-01")
    after_ = "2026-11-01T00:00:00+00:00"
    assert asked == [("audit", {"action": "read", "actor": "k", "object": "j1", "after": after_, "limit": 50})]
    for words in ("[red]key", "what minutes.pdf (3 times)", "2026-11-01 10:00"):
        assert words in told
    asked.clear()
    file = tmp_path / "audit.jsonl"
    run("audit", "export", str(file))
    assert [json.loads(line) for line in file.read_text().splitlines()] == [ENTRY]
    assert "7:ab" in run("audit", "check")
    assert "entry 3 is missing" in run("audit", "check", "--known", "5:cd", code=1)
    assert asked[-1] == ("check_audit", {"seq": 5, "digest": "cd"})


def test_holds(asked: list[Any]) -> None:
    """A hold by conditions, of a job, and its end."""
    told = run("hold", "place", "--reason", "a letter", "--batch", "b1", "--metadata", "matter=17")
    assert "Hold h1 is in force: batch b1, matter=17." in told
    job_id = "0" * 32
    run("hold", "job", job_id, "--reason", "a letter", "--name", "Doe")
    run("hold", "release", "h1", "--reason", "settled")
    run("hold", "release", "--job", job_id)
    assert asked == [
        ("place_hold", {"reason": "a letter", "batch": "b1", "metadata": ["matter=17"]}),
        ("hold_job", job_id, {"reason": "a letter", "name": "Doe"}),
        ("release_hold", "h1", "settled"),
        ("release_job", job_id, ""),
    ]
    assert "matter=17" in run("hold", "list", "--released")


def test_receipts(asked: list[Any], tmp_path: Path) -> None:
    """A receipt is verified without a cluster, alone or within the answer to a deletion."""
    assert "j1" in run("receipts", "list", "--object", "j1")
    assert asked == [("receipts", {"limit": 50, "object": "j1"})]
    secret = run("receipts", "new-key", here=True).strip()
    public = run("receipts", "public-key", here=True, MEETMEMO_RECEIPT_KEY=secret).strip()
    written = document(signed(receipt(), ReceiptKey(secret)))
    file = tmp_path / "receipt.json"
    for content in (written, {"id": "j1", "deleted": [], "receipt": written}):
        file.write_text(json.dumps(content))
        assert "is as it was signed by" in run("receipts", "verify", str(file), "--public-key", public, here=True)
        run("receipts", "verify", str(file), here=True, MEETMEMO_RECEIPT_KEY=secret)
        run("receipts", "verify", str(file), here=True, code=1, MEETMEMO_RECEIPT_KEY=new_key())
        assert "whether that key is to be trusted" in run("receipts", "verify", str(file), here=True)
    file.write_text(json.dumps({**written, "actor": "somebody else"}))
    assert "was changed" in run("receipts", "verify", str(file), here=True, code=1)
    file.write_text(json.dumps(document(receipt())))
    assert "not signed" in run("receipts", "verify", str(file), here=True, code=1)


def test_what_retention_would_delete(tmp_path: Path) -> None:
    """The preview reads ledger, store and settings of a home, and deletes nothing."""
    (tmp_path / "config.yaml").write_text(
        "retention:\n  rules:\n    - metadata: {matter: '*'}\n      results_days: 10\n"
    )
    url = f"sqlite:///{tmp_path}/ledger.sqlite3"
    ledger = open_ledger(url)
    long_ago_s = time.time() - 8 * 86_400
    made = replace(make_job(created_at_s=long_ago_s), reference=Reference(metadata=(("matter", "17"),)))
    ledger.create(made)
    lease = won(ledger.acquire_lease("test", 60.0))
    (job,) = ledger.claim(lease, 1)
    ended = after(job, Claimed(), Segmented(n_chunks=0), TranscriptStored(), ResultsStored(names=()))
    ledger.apply(lease, ended, job.version)
    ledger.close()
    assert json.loads(run("retention", "preview", "--home", str(tmp_path), "--json", here=True)) == {"due": []}
    told = json.loads(run("retention", "preview", "--in", "3w", "--home", str(tmp_path), "--json", here=True))
    assert [(each["job_id"], each["what"], each["rule"]) for each in told["due"]] == [("j1", "results", 0)]
    ledger = open_ledger(url)
    assert ledger.get("acme", "j1").state.final
    ledger.close()


def test_an_export(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """It is saved to a file; without a condition nothing is asked for."""
    file, asked = tmp_path / "ann.zip", []
    file.touch()

    async def save(_: Client, body: dict[str, Any], path: Path) -> None:
        asked.append((body, path))

    monkeypatch.setattr(Client, "save_export", save)
    run("export", str(file), "--external-id", "call-7", "--metadata", "matter=17")
    assert asked == [({"external_id": "call-7", "metadata": ["matter=17"]}, file)]
    outcome = CliRunner().invoke(app, ["export", str(file), "--url", "http://127.0.0.1:1"])
    assert "Name an --external-id" in str(outcome.exception)
