"""``meetmemo minutes``: minutes that wait for the language model, and minutes written anew."""

from typing import Any

from rich.console import Console

from cluster.cli.common.option_flags import SHORT_FLAGS, takes_options
from cluster.cli.common.options import JobArgument, JsonOption
from cluster.cli.common.tables import ids, minute, numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
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
    def versions(job_id: JobArgument, cluster: ClusterTarget = USUAL_CLUSTER, as_json: JsonOption = False) -> None:
        """List the versions of a recording's minutes, oldest first."""
        found = cluster.ask("minutes_versions", job_id)
        if as_json:
            print_json(found)
            return
        rows = []
        for job in found["versions"]:
            minutes = job["minutes"] or {}
            usage = minutes.get("usage")
            cost = f"{usage['cost_usd']:.4f}" if usage else ""
            told = (minutes.get(name, "") for name in ("state", "writer", "model"))
            rows.append((job["id"], job["state"], *told, cost, minute(job["created_at"])))
        names = ("state", "minutes", "writer", "model")
        show_table(console, (*ids("job"), *words(*names), *numbers("US$", "created (UTC)")), rows)

    @app.command("parked")
    def parked(cluster: ClusterTarget = USUAL_CLUSTER, as_json: JsonOption = False) -> None:
        """Show how many jobs wait for their minutes, and why."""
        show(cluster.ask("parked_minutes"), as_json)

    @app.command("resume")
    def resume(cluster: ClusterTarget = USUAL_CLUSTER) -> None:
        """Have parked minutes written now: the language model works again, or its budget is larger."""
        show(cluster.ask("parked_minutes", resume=True))

    def show(found: dict[str, Any], as_json: bool = False) -> None:
        if as_json:
            print_json(found)
            return
        console.print(f"{found['parked']} jobs wait for their minutes.")
        for why, n_jobs in found["reasons"].items():
            console.print(f"  {n_jobs}: {why}", soft_wrap=True)

    return app
