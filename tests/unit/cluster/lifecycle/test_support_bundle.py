"""The archive for support: what is in it, and what never is."""

import json
import tarfile
from pathlib import Path

import pytest

from cluster.lifecycle.doctor import Finding
from cluster.lifecycle.support_bundle import MASK, masked, write_bundle
from cluster.settings.settings import load_settings

FINDINGS = [Finding(subject="port", status="bad", detail="taken", mend="Choose another.")]
SECRETS = {
    "DEEPSEEK_API_KEY": "sk-very-secret",
    "PGPASSWORD": "swordfish-1",
    "AWS_SECRET_ACCESS_KEY": "aws-secret-value",
    "CALLS_TOKEN": "calls-token-value",
}


def contents(path: Path) -> dict[str, str]:
    with tarfile.open(path) as archive:
        return {
            member.name.removeprefix("meetmemo-support/"): archive.extractfile(member).read().decode()  # type: ignore[union-attr]
            for member in archive
        }


def test_no_secret_is_in_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not of variables, files, URLs, settings or logs, wherever it got to; names of variables are."""
    monkeypatch.chdir(tmp_path)
    for name, value in SECRETS.items():
        monkeypatch.setenv(name, value)
    file = tmp_path / "hooks"
    file.write_text("whsec_first-one whsec_second-one\n")
    monkeypatch.setenv("WEBHOOK_SECRETS_FILE", str(file))
    monkeypatch.setenv("MEETMEMO_LEDGER_URL", "postgresql+psycopg://me:pass-in-url@db/x?password=query-secret")
    settings = load_settings(flags={"home": tmp_path / "home"})
    settings.run_dir.mkdir(parents=True)
    log = settings.run_dir / "cluster.log"
    log.write_text(f"failed with {SECRETS['PGPASSWORD']} and whsec_second-one at https://a:b@x.example/y?sig=zzz\n")
    bundle = tmp_path / "support.tar.gz"
    names = write_bundle(bundle, settings, FINDINGS)
    found = contents(bundle)
    assert list(found) == names
    assert bundle.stat().st_mode & 0o777 == 0o600
    whole = "\n".join(found.values())
    for secret in (*SECRETS.values(), "whsec_first-one", "whsec_second-one", "pass-in-url", "query-secret", "sig=zzz"):
        assert secret not in whole
    assert "PGPASSWORD" in found["environment.txt"].splitlines()
    assert "https://**********@x.example/y?**********" in found["cluster.log"]
    assert json.loads(found["doctor.json"])[0]["mend"] == "Choose another."
    assert json.loads(found["versions.json"])["packages"]["ray"]
    assert "ledger_url: postgresql+psycopg://**********@db/x" in found["settings.yaml"]


def test_logs_are_bounded(tmp_path: Path) -> None:
    """The end of a log is what helps."""
    settings = load_settings(env={}, flags={"home": tmp_path})
    settings.run_dir.mkdir()
    (settings.run_dir / "cluster.log").write_text("first\n" + "x" * 3_000_000 + "\nlast\n")
    write_bundle(tmp_path / "b.tar.gz", settings, [])
    log = contents(tmp_path / "b.tar.gz")["cluster.log"]
    assert len(log) <= 1 << 20
    assert log.endswith("last\n")


def test_masks() -> None:
    """Addresses stay readable; a URL without secrets stays as it is."""
    assert masked("see http://127.0.0.1:8000/docs", []) == "see http://127.0.0.1:8000/docs"
    assert masked("s3://bucket/a?endpoint=http://x", []) == f"s3://bucket/a?{MASK}"
