"""What a soak leaves for people: a page, and its picture."""

import json
from pathlib import Path

from tests.soak.journal import Journal
from tests.soak.judge import Judgement
from tests.soak.picture import draw
from tests.soak.plan import Plan
from tests.soak.sampler import read_rows


def write(folder: Path, plan: Plan, found: Judgement) -> str:
    """Write ``soak.md`` and ``soak.png`` into a soak's folder; return the page."""
    rows = read_rows(Journal(folder).samples)
    n_jobs = sum(found.figures["jobs"].values())
    minutes = rows[-1]["minute"] if rows else 0.0
    title = f"{n_jobs:,} jobs of {plan.n_tenants} tenants in {minutes:.0f} minutes, seed {plan.seed}"
    page = "\n".join(
        [
            title + (": nothing is wrong." if not found.findings else f": **{len(found.findings)} findings**."),
            "",
            *(f"- {line}" for line in found.lines()),
            "",
            "| figure | value |",
            "|---|---|",
            *(f"| {name} | {json.dumps(value)} |" for name, value in found.figures.items()),
            "",
        ]
    )
    (folder / "soak.md").write_text(page)
    if rows:
        draw(rows, folder / "soak.png", title)
    return page
