"""Flags for the options of a job, made of the schema that the API takes them by: types, choices and help texts."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.schemas.options import ApiModel, Options, field_schemas, parsed
from pipelines.errors import ConfigurationError, OptionError

SHORT_FLAGS = {
    "word_timestamps": "--words",
    "minutes_template": "--template",
    "minutes_title": "--title",
    "glossary": "--term",
    "recording_date": "--recorded",
}
"""Shorter names of flags; the others are called as their options."""
_FILES = frozenset({"minutes_template"})  # options whose value may be a file that holds it

PairsOption = Annotated[
    list[str] | None, typer.Option("--option", "-o", help="name=value, as of POST /v1/jobs; may be repeated.")
]


def takes_options(
    command: Callable[..., None],
    model: type[ApiModel] = Options,
    short: Mapping[str, str] = SHORT_FLAGS,
    notes: Mapping[str, str] | None = None,
) -> Callable[..., None]:
    """Replace the parameter ``options`` of a command by a flag for each field of ``model``.

    The command gets a dictionary of the options that are named, as the API takes them. What the API would refuse
    raises `InvalidOptions` with the same words. ``short`` are second names of flags, ``notes`` go after a help text.
    """
    own = inspect.signature(command)
    flags = [
        _flag(name, schema, short.get(name), (notes or {}).get(name, ""))
        for name, schema in field_schemas(model).items()
    ]

    @wraps(command)
    def run(**given: Any) -> None:
        options = {flag.name: given.pop(flag.name) for flag in flags}
        command(options=_checked(options, model), **given)

    parameters = [each for each in own.parameters.values() if each.name != "options"]
    run.__signature__ = own.replace(parameters=[*parameters, *flags])  # type: ignore[attr-defined]  # Typer reads it
    return run


def _flag(name: str, schema: Mapping[str, Any], short: str | None, note: str) -> inspect.Parameter:
    kinds = {"boolean": bool | None, "array": list[str] | None}
    flag = name.replace("_", "-")
    names = [f"--{flag}/--no-{flag}" if schema["type"] == "boolean" else f"--{flag}", *([short] if short else [])]
    told = [schema.get("description", ""), note, "Here also a file with it." if name in _FILES else ""]
    option = typer.Option(
        *names,
        help=" ".join(filter(None, told)),
        metavar=_metavar(schema),
        rich_help_panel=f"Options: {schema['concern']}",
    )
    kind = Annotated[kinds.get(schema["type"], str | None), option]  # type: ignore[valid-type]  # of this schema
    return inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=kind)


def _metavar(schema: Mapping[str, Any]) -> str | None:
    if schema["type"] == "boolean":
        return None
    if schema["type"] == "array":
        return f"{_metavar(schema['items'])},…"
    if "enum" in schema:
        return "|".join(schema["enum"])
    if "minimum" in schema and "maximum" in schema:
        return f"{schema['minimum']}..{schema['maximum']}"
    return {"date": "YYYY-MM-DD", "date-time": "TIME", "integer": "NUMBER"}.get(
        schema.get("format", schema["type"]), "TEXT"
    )


def _checked(given: Mapping[str, Any], model: type[ApiModel]) -> dict[str, Any]:
    from deployments.intake.submission import merge_options  # brings the web server along

    texts = {name: _texts(name, value) for name, value in given.items() if value is not None}
    options = merge_options(texts, {})
    parsed(model, options)
    return options


def options_given(pairs: Sequence[str] | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the options of flags and ``name=value`` pairs; raises what `pairs_of` does, and `InvalidOptions`.

    Names that are no options (``external_id``) are left to the API.
    """
    options = pairs_of(pairs, flags)
    _checked({name: value for name, value in options.items() if name in Options.model_fields}, Options)
    return options


def _texts(name: str, value: Any) -> Sequence[str]:
    """Return the values of an option as a query holds them; raises `OptionError` for a file that cannot be read."""
    if isinstance(value, bool):
        return [str(value).lower()]
    if name in _FILES and Path(value).suffix:
        try:
            return [Path(value).read_text(encoding="utf-8")]
        except (OSError, UnicodeDecodeError) as error:
            raise OptionError(f"the template {value} cannot be read: {error}") from None
    return [value] if isinstance(value, str) else value


def pairs_of(pairs: Sequence[str] | None, flags: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Read ``name=value`` pairs beside the options that flags gave; raises `ConfigurationError`."""
    options = dict(flags or {})
    for pair in pairs or ():
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise ConfigurationError(f"--option is written name=value, not {pair!r}.")
        if name in (flags or {}):
            raise ConfigurationError(f"{name}: given more than once")
        options[name] = value
    return options
