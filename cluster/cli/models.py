"""``meetmemo models``: which Whisper models there are, fetching and checking them."""

from rich.console import Console
from rich.progress import DownloadColumn, Progress
from rich.table import Table

from cluster.cli.options import ModelArgument
from cluster.cli.target import USUAL_HOME, Group, HomeTarget


def models_app(console: Console) -> Group:
    """Return the group of commands, to which others are added."""
    app = Group(help="Whisper models: list, fetch, verify, try, change.")

    @app.command("list")
    def models_list(home: HomeTarget = USUAL_HOME) -> None:
        """List known models and which of them are on this machine."""
        from pipelines.models.catalogue import list_models

        table = Table("name", "size", "where")
        for entry in list_models(home.settings().models_dir):
            size = f"{entry.n_bytes / 1e6:.0f} MB" if entry.path else ""
            table.add_row(
                entry.name, size, str(entry.path) if entry.path else "not here; `meetmemo models pull` fetches it"
            )
        console.print(table)

    @app.command("pull")
    def models_pull(name: ModelArgument, home: HomeTarget = USUAL_HOME) -> None:
        """Fetch a published model from the Hugging Face hub; it is verified and then moved into place."""
        from pipelines.models.download import pull

        with Progress(*Progress.get_default_columns(), DownloadColumn(), console=console) as progress:
            bar = progress.add_task(name, total=None)
            path = pull(
                name, home.settings().models_dir, lambda done, total: progress.update(bar, completed=done, total=total)
            )
        console.print(f"{name} is in {path}", soft_wrap=True)

    @app.command("verify")
    def models_verify(name: ModelArgument, home: HomeTarget = USUAL_HOME) -> None:
        """Check a model's files against their SHA-256."""
        from pipelines.models.catalogue import resolve, verify

        files = resolve(name, home.settings().models_dir)
        checked = verify(files.path)
        console.print(
            f"{files.path}: {len(checked)} files are intact."
            if checked
            else f"{files.path}: complete, but it has no SHA256SUMS to check against."
        )

    return app
