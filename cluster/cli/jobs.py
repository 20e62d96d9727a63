"""``meetmemo jobs``: look at jobs, cancel them, fetch their results."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from cluster.cli.common.options import JobArgument, JobsArgument, JsonOption
from cluster.cli.common.tables import ids, minute, numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from cluster.client.http import ApiError, Client
from cluster.client.result_files import result_files
from cluster.client.transcribe import clock


def jobs_app(console: Console) -> Group:
    """Return the group of commands."""
    app = Group(help="Look at jobs, cancel them, fetch their results.")

    @app.command("list")
    def jobs_list(
        state: Annotated[list[str] | None, typer.Option(help="Only jobs in this state; may be repeated.")] = None,
        filename: Annotated[str | None, typer.Option(help="Only jobs whose file name holds this.")] = None,
        external_id: Annotated[str | None, typer.Option(help="Only the job with this id of its submitter's.")] = None,
        limit: Annotated[int, typer.Option(min=1, max=500, help="Jobs to show at most.")] = 50,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """List jobs, newest first."""
        params = {"state": state or [], "filename": filename, "external_id": external_id, "limit": limit}
        page = cluster.ask("jobs", {name: value for name, value in params.items() if value})
        if as_json:
            print_json(page)
            return
        rows = []
        for job in page["jobs"]:
            heard = job["progress"]
            told = [job["reason"]] if job.get("reason") else [note["code"] for note in job.get("notes", ())]
            state_text = job["state"] + (f": {', '.join(told)}" if told else "")
            audio = f"{clock(heard['done_s'])}/{clock(heard['audio_s'])}"
            rows.append((job["id"], job["filename"], state_text, audio, minute(job["created_at"])))
        show_table(console, (*ids("id"), *words("file", "state"), *numbers("audio", "created (UTC)")), rows)

    @app.command("show")
    def jobs_show(job_id: JobArgument, cluster: ClusterTarget = USUAL_CLUSTER) -> None:
        """Show everything about one job."""
        console.print_json(data=cluster.ask("job", job_id))

    @app.command("story")
    def jobs_story(job_id: JobArgument, cluster: ClusterTarget = USUAL_CLUSTER, as_json: JsonOption = False) -> None:
        """Show what happened to a job lately, because of what, and what each event began (for operators)."""
        story = cluster.ask("story", job_id)
        if as_json:
            print_json(story)
            return
        rows = [
            (entry["at"], entry["stimulus_id"], entry["what"], entry["state"], ", ".join(entry["commands"]))
            for entry in story["entries"]
        ]
        show_table(console, words("at", "cause", "what", "state", "began"), rows)

    @app.command("cancel")
    def jobs_cancel(
        job_ids: JobsArgument,
        purge: Annotated[bool, typer.Option("--purge", help="Remove everything of the job, results too.")] = False,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Cancel jobs; it takes effect at the next chunk."""
        for job_id in job_ids:
            cluster.ask("cancel", job_id, purge=purge)
            console.print(f"{job_id}: {'removed' if purge else 'cancelled'}")

    @app.command("results")
    def jobs_results(
        job_id: JobArgument,
        out: Annotated[Path, typer.Option(help="Folder to write them to.", file_okay=False)] = Path(),
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Download a job's results."""
        endpoint = cluster.endpoint()

        async def fetch() -> None:
            async with Client(endpoint) as client:
                job = await client.job(job_id)
                if not job["results"]:
                    raise ApiError(f"Job {job_id} is {job['state']} and has no results.")
                out.mkdir(parents=True, exist_ok=True)
                for name, result_url in result_files(job):
                    await client.save_result(result_url, out / name)
                    console.print(str(out / name), soft_wrap=True, highlight=False, markup=False)

        asyncio.run(fetch())

    return app
