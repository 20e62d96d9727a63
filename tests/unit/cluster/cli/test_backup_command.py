"""``meetmemo backup`` and ``meetmemo restore``, and what they refuse."""

import stat
from contextlib import closing
from pathlib import Path

import pytest
from typer.testing import CliRunner

from cluster.cli.backup import store_url_of
from cluster.cli.main import app
from cluster.settings.settings import Settings
from pipelines.core import BlobRef
from pipelines.errors import ConfigurationError
from pipelines.jobs.job import Job, JobOptions
from pipelines.ledger.open import open_ledger
from pipelines.storage.open import open_store


def used_home(home: Path) -> Settings:
    """Make a home with a queued job."""
    settings = Settings(home=home)
    source = open_store(settings.store_url).put("default/j1/source", b"sound")
    job = Job(
        id="j1",
        tenant="default",
        options=JobOptions(model="mini-en"),
        source=BlobRef(key=source.key, n_bytes=source.n_bytes),
        filename="a.wav",
        created_at_s=1.0,
    )
    with closing(open_ledger(settings.ledger_url)) as ledger:
        ledger.create(job)
    return settings


def run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_from_one_home_to_another(tmp_path: Path) -> None:
    used_home(tmp_path / "one")
    told = run("backup", str(tmp_path / "backup"), "--home", str(tmp_path / "one"))
    assert "1 jobs, 1 blobs" in told
    files = [path for path in (tmp_path / "backup").rglob("*") if path.is_file()]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert "restored 1 jobs" in run("restore", str(tmp_path / "backup"), "--home", str(tmp_path / "two"))
    settings = Settings(home=tmp_path / "two")
    with closing(open_ledger(settings.ledger_url)) as ledger:
        assert ledger.get("default", "j1").filename == "a.wav"
    assert open_store(settings.store_url).get("default/j1/source") == b"sound"


def test_a_backup_is_in_the_audit_log(tmp_path: Path) -> None:
    """Of every tenant whose jobs it copies, by the system's user, in the copy as well; a refused one is not."""
    settings = used_home(tmp_path / "one")
    run("backup", str(tmp_path / "backup"), "--home", str(tmp_path / "one"))
    refused = CliRunner().invoke(app, ["backup", str(tmp_path / "backup"), "--home", str(tmp_path / "one")])
    assert refused.exit_code != 0
    run("restore", str(tmp_path / "backup"), "--home", str(tmp_path / "two"))
    for home in (settings, Settings(home=tmp_path / "two")):
        with closing(open_ledger(home.ledger_url)) as ledger:
            (deed,) = [entry.deed for entry in ledger.audit.walk("default")]
        assert (deed.action.value, deed.object_id, deed.detail) == ("export", "default", (("what", "backup"),))
        assert deed.actor.startswith("cli:")


@pytest.mark.parametrize("place", ["store", "store/backup", "."])
def test_not_within_the_store(tmp_path: Path, place: str) -> None:
    """A backup in the store would be backed up by the next one, and one around it hold it twice."""
    used_home(tmp_path)
    with pytest.raises(ConfigurationError, match="must not lie in the store"):
        run("backup", str((tmp_path / place).resolve()), "--home", str(tmp_path))


def test_how_a_place_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    assert store_url_of("x") == f"file://{tmp_path}/x"
    assert store_url_of("s3://bucket/x?region=eu") == "s3://bucket/x?region=eu"
