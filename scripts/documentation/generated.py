"""Everything in docs/ that is made from the code, by path."""

from collections.abc import Callable
from pathlib import Path

import typer

from cluster.cli.main import app
from scripts.documentation import reference_pages as pages
from scripts.documentation.api import openapi
from scripts.documentation.rooms_diagram import with_rooms
from scripts.documentation.terminal_sessions import cli_page

REFERENCE = "docs/reference"
ARCHITECTURE = "docs/architecture.md"


def reference() -> dict[str, Callable[[], str]]:
    """Return the function that makes each reference page."""
    return {
        f"{REFERENCE}/settings.md": pages.settings_page,
        f"{REFERENCE}/metrics.md": pages.metrics_page,
        f"{REFERENCE}/cli.md": lambda: pages.cli_page(typer.main.get_command(app)),
        f"{REFERENCE}/errors.md": pages.errors_page,
        f"{REFERENCE}/webhooks.md": pages.webhooks_page,
        "docs/cli.md": cli_page,
        f"{REFERENCE}/http.md": lambda: pages.http_page(openapi()),
    }


def rooms(root: Path) -> str:
    """Return the page about the architecture with a diagram of today's contracts."""
    pyproject = (root / "pyproject.toml").read_text(encoding="utf-8")
    return with_rooms((root / ARCHITECTURE).read_text(encoding="utf-8"), pyproject)
