"""A start waits for a ledger and a store that are away, says what is missing, and goes on by itself."""

from pathlib import Path

import pytest

from cluster.lifecycle.storage_wait import wait_for_storage
from cluster.settings.settings import Settings
from pipelines.errors import ConfigurationError
from pipelines.jobs.job import JobState
from pipelines.ledger.open import connect_ledger


def test_both_are_waited_for(tmp_path: Path) -> None:
    """First the ledger's folder is missing, then the store's; each is said once, then the ledger has its tables."""
    ledger_folder, store_folder = tmp_path / "database", tmp_path / "store"
    ledger_folder.write_text("a file where a folder should be")
    store_folder.write_text("another")
    settings = Settings(
        home=tmp_path / "home",
        ledger_url=f"sqlite:///{ledger_folder}/ledger.sqlite3",
        store_url=f"file://{store_folder}",
    )
    said: list[str] = []

    def mend(text: str) -> None:
        said.append(text)
        (ledger_folder if len(said) == 1 else store_folder).unlink()

    wait_for_storage(settings, mend, sleep=lambda _: None)
    assert len(said) == 2
    assert str(ledger_folder) in said[0]
    assert str(store_folder) in said[1]
    ledger = connect_ledger(settings.ledger_url)
    assert ledger.counts() == dict.fromkeys(JobState, 0)
    ledger.close()


def test_what_waiting_does_not_mend_is_said_at_once(tmp_path: Path) -> None:
    """A URL that names neither kind of ledger ends the start."""
    settings = Settings(home=tmp_path, ledger_url="mysql://db/meetmemo")
    with pytest.raises(ConfigurationError, match="mysql"):
        wait_for_storage(settings, pytest.fail, sleep=lambda _: None)


def test_a_store_of_another_ledger_is_told(tmp_path: Path) -> None:
    """Whoever starts with a new ledger over an old store hears of it, and how to make the store the new one's."""
    old, new = (
        Settings(home=tmp_path / name, store_url=f"file://{tmp_path}/store", ledger_url=f"sqlite:///{tmp_path}/{name}")
        for name in ("old", "new")
    )
    said: list[str] = []
    wait_for_storage(old, said.append)
    wait_for_storage(old, said.append)
    assert said == []
    wait_for_storage(new, said.append)
    assert len(said) == 1
    mark = tmp_path / "store" / "~owner"
    assert str(mark) in said[0]
    mark.unlink()
    wait_for_storage(new, pytest.fail)
