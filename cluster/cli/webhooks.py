"""``meetmemo webhooks``: deliveries about jobs, sending them again, and secrets to sign with."""

from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.common.options import JsonOption, OptionalJobArgument
from cluster.cli.common.tables import ids, minute, numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group


def webhooks_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="Webhooks and e-mails about jobs: their log, telling it again.")

    @app.command("list")
    def list_deliveries(
        job_id: OptionalJobArgument = None,
        state: Annotated[
            list[str] | None, typer.Option(help="pending, delivered, failed or disabled; may be repeated.")
        ] = None,
        limit: Annotated[int, typer.Option(min=1, max=1000, help="Deliveries to show at most.")] = 100,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """List deliveries: the newest of all jobs, or one job's with the log of their attempts."""
        params = {} if job_id else {"state": state or [], "limit": limit}
        found = cluster.ask("deliveries", job_id, params)
        if as_json:
            print_json(found)
            return
        rows = [
            (
                *(delivery[name] for name in ("id", "job_id", "event", "target", "state")),
                str(delivery["n_attempts"]),
                minute(delivery["next_attempt_at"]),
            )
            for delivery in found["deliveries"]
        ]
        show_table(console, (*ids("id", "job"), *words("event", "target", "state"), *numbers("attempts", "next")), rows)
        for delivery in found["deliveries"]:
            for attempt in delivery["attempts"]:
                line = f"{delivery['id']}: {attempt['at']}, {attempt['duration_s']:.1f} s, {attempt['detail']}"
                console.print(escape(line), soft_wrap=True)

    @app.command("replay")
    def replay(
        job_id: OptionalJobArgument = None,
        delivery_id: Annotated[str | None, typer.Argument(help="Default: all that the job has.")] = None,
        failed: Annotated[
            bool, typer.Option("--failed", help="All failed and disabled ones of all jobs, up to 1000.")
        ] = False,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Deliver again, under the same id: the receiver was down for days, or lost something."""
        if failed == (job_id is not None):
            raise typer.BadParameter("name a job, or --failed")
        params = {"state": ["failed", "disabled"], "limit": 1000} if failed else {}
        found = cluster.ask("deliveries", job_id, params)["deliveries"]
        chosen = [one for one in found if delivery_id is None or one["id"].startswith(delivery_id)]
        if delivery_id and len(chosen) > 1:
            raise typer.BadParameter(f"several deliveries have an id that begins with {delivery_id}: give more of it")
        for delivery in chosen:
            cluster.ask("redeliver", delivery["job_id"], delivery["id"])
            console.print(f"{delivery['id']}: due now")
        if not chosen:
            console.print("There is nothing to deliver again.")

    @app.command("new-secret")
    def new_secret() -> None:
        """Print a new secret: for WEBHOOK_SECRETS here, and for the receiver to verify with."""
        from deployments.notifications.signing import new_secret

        typer.echo(new_secret())

    return app
