"""The commands ``meetmemo backup`` and ``meetmemo restore``."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cluster import __version__
from cluster.cli.common.operator import operator
from cluster.cli.common.target import USUAL_HOME, Group, HomeTarget
from cluster.settings.settings import Settings
from pipelines.backup.manifest import Manifest
from pipelines.backup.restore import restore_backup
from pipelines.backup.write import write_backup
from pipelines.errors import ConfigurationError
from pipelines.storage.open import open_store

BackupArgument = Annotated[
    str, typer.Argument(help="A folder, or s3://BUCKET/PREFIX?endpoint=…, with credentials in the environment.")
]


def add_backup(app: Group, console: Console) -> None:
    """Add the commands to the program."""
    progress = Console(stderr=True)

    def say(line: str) -> None:
        progress.print(line, soft_wrap=True, highlight=False, markup=False)

    @app.command()
    def backup(target: BackupArgument, where: HomeTarget = USUAL_HOME) -> None:
        """Copy ledger and store, also while the cluster runs; settings, keys and models are not in it.

        Jobs under way are copied too: restored, they go on as after a crash.
        """
        settings = where.settings()
        url = store_url_of(target)
        _check_apart(settings, url)
        found = write_backup(
            settings.ledger_url,
            open_store(settings.store_url),
            open_store(url),
            version=__version__,
            by=operator(),
            say=say,
        )
        console.print(f"{url}: {_told(found)}", soft_wrap=True, highlight=False, markup=False)

    @app.command()
    def restore(source: BackupArgument, where: HomeTarget = USUAL_HOME) -> None:
        """Restore a backup into this home's ledger and store, which must be empty; `up` then goes on with its jobs.

        The cluster that was backed up must not run any more, or both tell the same outcomes to the same receivers.
        """
        from cluster.lifecycle.running_cluster import find_running

        settings = where.settings()
        if find_running(settings) is not None:
            raise ConfigurationError("The cluster of this home runs: stop it with `meetmemo down`.")
        backed_up = open_store(store_url_of(source))
        found = restore_backup(backed_up, settings.ledger_url, open_store(settings.store_url), say=say)
        console.print(f"restored {_told(found)}", soft_wrap=True, highlight=False, markup=False)


def store_url_of(place: str) -> str:
    """Return the URL of a backup, which may be named as a folder."""
    return place if "://" in place else f"file://{Path(place).expanduser().absolute()}"


def _check_apart(settings: Settings, url: str) -> None:
    """Raise `ConfigurationError` for a backup within the store, which would back itself up."""
    own, other = (address.partition("?")[0].rstrip("/") + "/" for address in (settings.store_url, url))
    if own.startswith(other) or other.startswith(own):
        raise ConfigurationError("The backup must not lie in the store, nor the store in the backup.")


def _told(found: Manifest) -> str:
    n_jobs = found.tables["jobs"].n_rows
    return f"{n_jobs} jobs, {found.n_blobs} blobs, {found.n_bytes / 1e6:.1f} MB"
