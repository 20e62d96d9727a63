"""Flags of the command line for the options of a job: one for each, checked as the API checks them."""

from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from cluster.cli.common.option_flags import pairs_of, takes_options
from cluster.cli.main import app
from deployments.schemas.options import Options
from pipelines.errors import ConfigurationError, InvalidOptions, OptionError

COMMANDS = (("transcribe",), ("watch",), ("batch", "submit"))


def given(*arguments: str) -> dict[str, Any]:
    """Return the options that a command gets."""
    got: list[dict[str, Any]] = []

    def command(*, options: dict[str, Any]) -> None:
        got.append(options)

    small = typer.Typer()
    small.command()(takes_options(command))
    outcome = CliRunner().invoke(small, arguments)
    if outcome.exception:
        raise outcome.exception
    return got[0]


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_option_has_a_flag(path: tuple[str, ...]) -> None:
    """It is called as the option is, and its help is the option's description."""
    command: Any = typer.main.get_command(app)
    for name in path:
        command = command.commands[name]
    flags = {parameter.name: parameter for parameter in command.params}
    for name, field in Options.model_fields.items():
        assert f"--{name.replace('_', '-')}" in flags[name].opts
        assert field.description in flags[name].help


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_help_shows_choices_and_bounds(path: tuple[str, ...]) -> None:
    """`--help` names what may be chosen, from where to where a number may be, and what a file may hold."""
    told = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "200", "TERM": "dumb"}).stdout
    for words in (
        "mix|split",
        "1..10",
        "email|phones|cards|numbers|names|places|profanity,…",
        "YYYY-MM-DD",
        "--no-keep-audio",
        "--term",
    ):
        assert words in told


def test_what_is_named_is_sent() -> None:
    """Nothing that is left out is sent; lists may be repeated or written with commas, flags may be turned off."""
    assert given() == {}
    assert given("--words", "--no-reuse", "--term", "etcd", "--term", "Ray", "--mask", "email,cards") == {
        "word_timestamps": "true",
        "reuse": "false",
        "glossary": ["etcd", "Ray"],
        "mask": ["email", "cards"],
    }
    assert given("--beam-size", "5", "--recorded", "2026-11-24") == {"beam_size": "5", "recording_date": "2026-11-24"}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("channels", "both"),
        ("language", "tlh"),
        ("beam_size", "11"),
        ("beam_size", "many"),
        ("temperature", "2"),
        ("recording_date", "Friday"),
        ("deadline", "2026-11-24T10:00:00"),
        ("minutes_language", "xx"),
        ("webhook_url", "x" * 3000),
    ],
)
def test_refused_in_the_words_of_the_api(name: str, value: str) -> None:
    """A value that the API would refuse is refused before anything is sent, in its words."""
    with pytest.raises(InvalidOptions) as theirs:
        Options.parse({name: value})
    with pytest.raises(InvalidOptions) as ours:
        given(f"--{name.replace('_', '-')}", value)
    assert str(ours.value) == str(theirs.value)


def test_what_cannot_go_together() -> None:
    """Wishes for minutes that are not wanted are refused, and a template whose file is not there."""
    with pytest.raises(InvalidOptions, match="glossary is given, but minutes is none"):
        given("--minutes", "none", "--term", "etcd")
    with pytest.raises(OptionError, match="cannot be read"):
        given("--template", "nowhere/board.md")


def test_pairs() -> None:
    """``-o name=value`` adds to the flags; what both give is refused."""
    assert pairs_of(["a=1", "b=x=y"], {"c": "2"}) == {"a": "1", "b": "x=y", "c": "2"}
    assert pairs_of(None) == {}
    for pairs in (["a"], ["=1"], ["c=3"]):
        with pytest.raises(ConfigurationError):
            pairs_of(pairs, {"c": "2"})
