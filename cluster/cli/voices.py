"""``meetmemo voices``: voices that are known by name: enrol them with consent, list them, delete them."""

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.common.options import JsonOption
from cluster.cli.common.tables import ids, minute, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, ClusterTarget, Group
from pipelines.errors import OptionError


def voices_app(console: Console) -> Group:
    """Build the sub-commands."""
    app = Group(help="Voices that are known by name: enrol them with consent, list them, delete them.")

    @app.command("enrol")
    def enrol(
        name: Annotated[str, typer.Option(help="The name that transcripts are to have.")],
        consent_by: Annotated[str, typer.Option(help="Who gave consent, and how it is on record.")],
        clip: Annotated[
            Path | None, typer.Argument(help="A recording of this voice alone.", exists=True, dir_okay=False)
        ] = None,
        consent_at: Annotated[str | None, typer.Option(help="When (ISO 8601, with its zone); default: now.")] = None,
        job: Annotated[str | None, typer.Option(help="Instead of a clip: a job that keeps its recording …")] = None,
        speaker: Annotated[str | None, typer.Option(help="… and a speaker of its newest transcript.")] = None,
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """Enrol a voice: transcripts of later jobs with --diarize name its owner."""
        if (clip is None) == (job is None):
            raise OptionError("Name a clip, or a --job and its --speaker.")
        given = {"name": name, "consent_by": consent_by, "consent_at": consent_at, "job_id": job, "speaker": speaker}
        fields = {field: value for field, value in given.items() if value is not None}
        voice = cluster.ask("enrol_voice", fields, clip)
        if as_json:
            print_json(voice)
        else:
            console.print(f"{voice['id']}: the voice of {escape(voice['name'])} is known.")

    @app.command("list")
    def list_voices(cluster: ClusterTarget = USUAL_CLUSTER, as_json: JsonOption = False) -> None:
        """List the voices that are known, oldest first."""
        found = cluster.ask("voices")
        if as_json:
            print_json(found)
            return
        rows = [
            (
                *(voice[name] for name in ("id", "name", "consent_by")),
                *(minute(voice[name]) for name in ("consent_at", "created_at")),
            )
            for voice in found["voices"]
        ]
        show_table(console, (*ids("id"), *words("name", "consent by", "consent at", "enrolled")), rows)

    @app.command("delete")
    def delete(
        voice_id: Annotated[str, typer.Argument(help="The voice's id.")],
        cluster: ClusterTarget = USUAL_CLUSTER,
        as_json: JsonOption = False,
    ) -> None:
        """Delete a voice for good, and print the receipt."""
        receipt = cluster.ask("delete_voice", voice_id)
        if as_json:
            print_json(receipt)
            return
        gone = "is gone" if receipt["gone"] else "is still there"
        console.print(f"{receipt['id']} {gone} since {receipt['deleted_at']}; SHA-256 {receipt['record_sha256']}")

    @app.command("new-key")
    def make_key() -> None:
        """Print a key for MEETMEMO_VOICES_KEY, under which voices are encrypted; whoever loses it loses them."""
        from pipelines.speakers.sealing import new_key  # with a library that no other command needs

        typer.echo(new_key())

    return app
