"""``meetmemo models canary | gate | promote | rollback | routes``: bring another model in, step by step.

Routes are kept in the ledger itself, as keys are; the Coordinator heeds them within seconds.
"""

import asyncio
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape

from cluster.cli.common.options import JsonOption, ModelArgument
from cluster.cli.common.tables import numbers, print_json, show_table, words
from cluster.cli.common.target import USUAL_CLUSTER, USUAL_HOME, ClusterTarget, Group, HomeTarget
from cluster.client.golden_set import Heard, judge, read_golden
from cluster.client.golden_set import hear as hear_all
from cluster.client.http import Client
from cluster.settings.settings import Settings
from pipelines.errors import OptionError, refused_option
from pipelines.ledger.open import open_ledger
from pipelines.models.catalogue import resolve
from pipelines.models.routing import ModelRoute, misfit, with_route
from pipelines.text.language_names import UnknownLanguage, language_code


def add_canary(app: Group, console: Console) -> None:
    """Add the commands to those about models."""

    @app.command("canary")
    def canary(
        new: Annotated[str, typer.Argument(help="The model to try: a name from the settings.")],
        of: Annotated[str, typer.Option("--of", help="The model whose jobs it decodes a share of.")],
        share: Annotated[float, typer.Option(help="Share of the chunks, above 0 and at most 1.")] = 0.05,
        home: HomeTarget = USUAL_HOME,
    ) -> None:
        """Let another model decode a share of a model's chunks. Both must be in the settings of the running cluster.

        Chunks that the new model cannot decode go back to the old one. Again, with another share, changes the share.
        """
        settings = home.settings()
        route = ModelRoute(of=of, to=new, share=share)
        _check(settings, route)
        _change(settings, lambda routes: with_route(routes, route))
        console.print(f"{new} decodes {share:g} of the chunks of jobs for {of}.")

    @app.command("promote")
    def promote(new: ModelArgument, home: HomeTarget = USUAL_HOME) -> None:
        """Let a model that is a canary decode all chunks; `models rollback` undoes it at any time."""
        settings = home.settings()

        def promoted(routes: tuple[ModelRoute, ...]) -> tuple[ModelRoute, ...]:
            route = _of(routes, new)
            return with_route(routes, ModelRoute(of=route.of, to=new, share=1.0))

        _change(settings, promoted)
        console.print(f"{new} decodes all chunks from now on.")

    @app.command("rollback")
    def rollback(new: ModelArgument, home: HomeTarget = USUAL_HOME) -> None:
        """Give all chunks back to the model that a canary or a promoted model replaces."""
        settings = home.settings()
        _change(settings, lambda routes: tuple(route for route in routes if route != _of(routes, new)))
        console.print(f"{new} decodes only what asks for it.")

    @app.command("routes")
    def routes(home: HomeTarget = USUAL_HOME, as_json: JsonOption = False) -> None:
        """Show which models stand in for which."""
        found = _routes(home.settings())
        if as_json:
            print_json({"routes": [{"of": route.of, "to": route.to, "share": route.share} for route in found]})
            return
        rows = [(route.of, route.to, f"{route.share:g}") for route in found]
        show_table(console, (*words("jobs for", "decoded by"), *numbers("share")), rows)

    @app.command("gate")
    def gate(
        new: Annotated[str, typer.Argument(help="The model to judge.")],
        against: Annotated[str, typer.Option(help="The model it is to replace.")],
        golden: Annotated[
            Path, typer.Option(exists=True, file_okay=False, help="Folder of recordings, each with its text beside it.")
        ],
        max_wer_increase: Annotated[
            float, typer.Option(help="By how much its word error rate may be higher, as a fraction.")
        ] = 0.0,
        min_agreement: Annotated[
            float, typer.Option(min=0, max=1, help="Share of the old model's words that it must hear as well.")
        ] = 0.0,
        language: Annotated[str | None, typer.Option(help="Spoken language; default: detected.")] = None,
        cluster: ClusterTarget = USUAL_CLUSTER,
    ) -> None:
        """Have both models transcribe a golden set on the running cluster. Exit code 1 when the new one is worse."""
        settings = cluster.settings()
        if any(route.of in (new, against) for route in _routes(settings)):
            raise OptionError(f"another model stands in for {against} or {new}: `meetmemo models rollback` it first")
        samples, spoken = read_golden(golden), _spoken(language)

        async def listen() -> list[Heard]:
            async with Client(cluster.endpoint()) as client:
                news = await hear_all(client, samples, new, spoken)
                olds = await hear_all(client, samples, against, spoken)
            return [Heard(sample=s, new=n, old=o) for s, n, o in zip(samples, news, olds, strict=True)]

        verdict = judge(asyncio.run(listen()), max_wer_increase=max_wer_increase, min_agreement=min_agreement)
        rows = [
            (name, str(found.n_words), str(found.n_errors), f"{found.rate:.4f}")
            for name, found in ((new, verdict.new), (against, verdict.old))
        ]
        show_table(console, (*words("model"), *numbers("words", "errors", "word error rate")), rows)
        console.print(f"They agree in {verdict.agreement:.4f} of the words.")
        for complaint in verdict.complaints:
            console.print(f"[red]{escape(new)} does not pass: {escape(complaint)}[/red]", soft_wrap=True)
        if verdict.complaints:
            raise typer.Exit(1)
        console.print(f"{new} passes.")


def _spoken(language: str | None) -> str | None:
    """Return the code of a language; raises `InvalidOptions`."""
    try:
        return language_code(language or "")
    except UnknownLanguage as error:
        raise refused_option("language", str(error)) from None


def _routes(settings: Settings) -> tuple[ModelRoute, ...]:
    with closing(open_ledger(settings.ledger_url)) as ledger:
        return ledger.model_routes()


def _change(settings: Settings, change: Callable[[tuple[ModelRoute, ...]], tuple[ModelRoute, ...]]) -> None:
    with closing(open_ledger(settings.ledger_url)) as ledger:
        ledger.set_model_routes(change(ledger.model_routes()))


def _of(routes: tuple[ModelRoute, ...], new: str) -> ModelRoute:
    found = next((route for route in routes if route.to == new), None)
    if found is None:
        raise OptionError(f"{new} stands in for no model: `meetmemo models canary` makes it a canary")
    return found


def _check(settings: Settings, route: ModelRoute) -> None:
    """Raise `OptionError` where the settings lack a model or the new one cannot stand in for the old one."""
    from cluster.wiring.models import profile_of

    paths = {model.name: model.path for model in settings.models}
    for name in (route.of, route.to):
        if name not in paths:
            raise OptionError(f"the settings name no model {name!r}: add it and `meetmemo reload`")
    profiles = [profile_of(resolve(paths[name] or name, settings.models_dir)) for name in (route.of, route.to)]
    if why := misfit(*profiles):
        raise OptionError(f"{route.to} cannot stand in for {route.of}: {why}")
