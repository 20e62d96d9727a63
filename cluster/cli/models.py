"""``meetmemo models``: which Whisper models there are, fetching and checking them."""

from rich.console import Console
from rich.progress import DownloadColumn, Progress

from cluster.cli.common.options import JsonOption, ModelArgument
from cluster.cli.common.tables import numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_HOME, Group, HomeTarget


def models_app(console: Console) -> Group:
    """Return the group of commands, to which others are added."""
    app = Group(help="Whisper models: list, fetch, verify, try, change.")

    @app.command("list")
    def models_list(home: HomeTarget = USUAL_HOME, as_json: JsonOption = False) -> None:
        """List known models and which of them are on this machine."""
        from pipelines.models.catalogue import list_models

        found = list_models(home.settings().models_dir)
        if as_json:
            told = [{"name": e.name, "path": str(e.path) if e.path else None, "n_bytes": e.n_bytes} for e in found]
            print_json({"models": told})
            return
        rows = [
            (
                entry.name,
                f"{entry.n_bytes / 1e6:.0f} MB" if entry.path else "",
                str(entry.path) if entry.path else "not here; `meetmemo models pull` fetches it",
            )
            for entry in found
        ]
        show_table(console, (*words("name"), *numbers("size"), *words("where")), rows)

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
