"""``meetmemo minutes``: minutes that wait for the language model, and minutes written anew."""

from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from cluster.cli.option_flags import SHORT_FLAGS, takes_options
from cluster.cli.options import JobArgument
from cluster.cli.target import USUAL_CLUSTER, ClusterTarget, Group
from deployments.schemas.options import MinutesOverrides

SHORT_OVERRIDES = {**SHORT_FLAGS, "minutes": "--writer", "minutes_language": "--language"}


def minutes_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="Minutes: write them anew; show and resume those that wait.")

    def rewrite(*, job_id: JobArgument, options: dict[str, Any], cluster: ClusterTarget = USUAL_CLUSTER) -> None:
        """Write a job's minutes anew, from the same transcript, as a new job; the earlier ones stay."""
        job = cluster.ask("rewrite", job_id, options)
        console.print(f"{job['id']}: writes them; `meetmemo jobs results {job['id']}` fetches them.", soft_wrap=True)

    app.command("rewrite")(takes_options(rewrite, MinutesOverrides, SHORT_OVERRIDES))

    @app.command("versions")
    def versions(job_id: JobArgument, cluster: ClusterTarget = USUAL_CLUSTER) -> None:
        """List the versions of a recording's minutes, oldest first."""
        table = Table("job", "state", "minutes", "writer", "model", "cost", "created")
        for job in cluster.ask("minutes_versions", job_id)["versions"]:
            minutes = job["minutes"] or {}
            usage = minutes.get("usage")
            table.add_row(
                job["id"],
                job["state"],
                minutes.get("state", ""),
                minutes.get("writer", ""),
                escape(minutes.get("model", "")),
                f"{usage['cost_usd']:.4f} $" if usage else "",
                job["created_at"],
            )
        console.print(table)

    @app.command("parked")
    def parked(cluster: ClusterTarget = USUAL_CLUSTER) -> None:
        """Show how many jobs wait for their minutes, and why."""
        show(cluster.ask("parked_minutes"))

    @app.command("resume")
    def resume(cluster: ClusterTarget = USUAL_CLUSTER) -> None:
        """Have parked minutes written now: the language model works again, or its budget is larger."""
        show(cluster.ask("parked_minutes", resume=True))

    def show(found: dict[str, Any]) -> None:
        console.print(f"{found['parked']} jobs wait for their minutes.")
        for why, n_jobs in found["reasons"].items():
            console.print(f"  {n_jobs}: {why}", soft_wrap=True)

    return app
