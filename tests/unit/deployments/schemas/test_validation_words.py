"""What pydantic finds wrong reaches people in words: no regular expression, none of pydantic's phrases."""

import importlib
import pkgutil
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, get_args

import pytest
from pydantic import BaseModel, ValidationError
from pydantic_core import core_schema

import deployments.http
import deployments.intake
import deployments.schemas
import deployments.tenant
from cluster.settings.settings import Settings, load_settings
from deployments.intake.manifest import read_entries
from deployments.intake.submission import merge_options
from deployments.schemas.options import ApiModel, Options, SourceRequest, parsed
from deployments.schemas.references import ReferenceFields
from pipelines.errors import ConfigurationError, InvalidOptions
from pipelines.validation import describe, faults, worded, wording_of

for package in (deployments.http, deployments.intake, deployments.schemas, deployments.tenant):
    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)


def heirs(kind: type[BaseModel]) -> Iterator[type[BaseModel]]:
    for heir in kind.__subclasses__():
        yield heir
        yield from heirs(heir)


MODELS = [*{(model.__module__, model.__qualname__): model for model in heirs(ApiModel)}.values()]  # with their options
FOREIGN = re.compile(
    r"Input should|should (have|be|match)|Value error|valid (tuple|string|dict)|dictionary|pattern|\^|\\x|[Uu]nable to"
    r"|Extra inputs|Field required|instance of|NoneType|after validation|\bField\b"
)
BAD: tuple[Any, ...] = (
    None, True, -(10**30), 10**400, 1.5, float("inf"), float("nan"), "", "x" * 30_000, "a\nb", "\ud800", "~",
    "2026-13-45", b"\xff", [], ["a\nb", 1, None, "\ud800"], ["x"] * 500, {}, {"a\nb": "c\nd"}, {"": 1},
    {"x" * 300: None}, [[]], [{}], [{"id": "x", "text": 1}], {f"n{i}": "v" for i in range(300)},
    datetime(2026, 1, 1), object(),
)  # fmt: skip


def told(model: type[BaseModel], values: Any) -> list[str]:
    try:
        model.model_validate(values)
    except ValidationError as error:
        return [str(fault) for fault in faults(error.errors())]
    return []


def refusal(section: str, value: Any) -> str:
    try:
        load_settings(env={}, flags={section: value})
    except ConfigurationError as error:
        return str(error)
    return ""


def schemas(schema: Any) -> Iterator[Mapping[str, Any]]:
    """Every part of a JSON Schema."""
    if isinstance(schema, dict):
        yield schema
        for part in schema.values():
            yield from schemas(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from schemas(part)


@pytest.mark.parametrize("model", MODELS, ids=lambda model: f"{model.__module__}.{model.__qualname__}")
def test_no_field_speaks_pydantic(model: type[BaseModel]) -> None:
    """Whatever is put into whichever field, and in place of the whole, what is wrong is said in words."""
    for bad in BAD:
        for name in (*model.model_fields, "nosuch"):
            for message in told(model, {name: bad}):
                assert not FOREIGN.search(message), message
                assert message.isprintable()
        for message in told(model, bad):
            assert not FOREIGN.search(message), message


@pytest.mark.parametrize("section", sorted(Settings.model_fields))
def test_no_setting_speaks_pydantic(section: str) -> None:
    """Settings too, sections and what is in them."""
    kinds = [kind for kind in (Settings.model_fields[section].annotation,) if isinstance(kind, type)]
    names = kinds[0].model_fields if kinds and issubclass(kinds[0], BaseModel) else {}
    for bad in BAD:
        for value in (bad, *({name: bad} for name in (*names, "nosuch"))):
            message = refusal(section, value)
            assert not FOREIGN.search(message), message


@pytest.mark.parametrize("model", [*MODELS, Settings], ids=lambda model: f"{model.__module__}.{model.__qualname__}")
def test_every_regular_expression_is_worded(model: type[BaseModel]) -> None:
    """Each has words of its own."""
    for schema in schemas(model.model_json_schema()):
        pattern = schema.get("pattern")
        if isinstance(pattern, str):
            assert wording_of(pattern), pattern


CONTEXT = dict.fromkeys(("gt", "ge", "lt", "le", "multiple_of", "min_length", "max_length"), 3)


@pytest.mark.parametrize("kind", get_args(core_schema.ErrorType))
def test_every_kind_of_error_has_words(kind: str) -> None:
    """Also those that no field of ours can bring today."""
    context = {**CONTEXT, "error": "that is wrong", "expected": "'a' or 'b'", "pattern": "^never worded$"}
    message = describe({"type": kind, "loc": (), "msg": "Input should be a valid tuple", "ctx": context})
    assert message
    assert not FOREIGN.search(message)


def test_a_regular_expression_has_one_wording() -> None:
    """Two would be two rules."""
    assert worded("^never used$", "a") == worded("^never used$", "a")
    with pytest.raises(ValueError, match="two wordings"):
        worded("^never used$", "b")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"speakers": "A\nB"}, "speakers.0: may hold no line breaks or control characters"),
        ({"channels": "stereo"}, "channels: must be mix or split"),
        ({"beam_size": "0"}, "beam_size: must be 1 or more"),
        ({"beam_size": "many"}, "beam_size: must be a whole number"),
        ({"temperature": "hot"}, "temperature: must be a number"),
        ({"word_timestamps": "maybe"}, "word_timestamps: must be true or false"),
        ({"recording_date": "yesterday"}, "recording_date: must be a day such as 2026-11-30"),
        ({"deadline": "2026-11-30T10:00:00"}, "deadline: must be a time with its zone, such as 2026-11-30T14:30:00Z"),
        (
            {"minutes_language": "Deutshc"},
            "minutes_language: 'Deutshc' is no language; nearest: Dutch (nl), Welsh (cy), Danish (da)",
        ),
        ({"prompt": "x" * 2001}, "prompt: may have 2000 characters at most"),
        ({"nosuch": "1"}, "nosuch: there is no such option"),
        ({"minutes": "none", "glossary": "a"}, "glossary is given, but minutes is none"),
    ],
)
def test_options_of_forms_and_flags(given: dict[str, str], message: str) -> None:
    """A form, a query, an upload's metadata and the command line give strings; their faults name the right form."""
    with pytest.raises(InvalidOptions) as caught:
        Options.parse(merge_options({name: [value] for name, value in given.items()}, {}))
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("model", "given", "message"),
    [
        (Options, {"speakers": 7}, "speakers: must be a list"),
        (Options, {"prompt": "\ud800"}, "prompt: must be text in UTF-8, without half a surrogate pair"),
        (Options, [], "must be an object of names and values"),
        (SourceRequest, {}, "give exactly one of source and upload"),
        (SourceRequest, {"upload": "7"}, "upload: must be an id: 32 digits 0-9 and a-f"),
        (ReferenceFields, {"metadata": {"a\nb": "c"}}, "metadata: the name a\ufffdb may hold no line breaks or control "
         "characters"),
        (ReferenceFields, {"metadata": {"a": 1}}, "metadata.a: must be text"),
    ],
)  # fmt: skip
def test_json(model: type[ApiModel], given: Any, message: str) -> None:
    """JSON has types; a fault of the whole names no field."""
    with pytest.raises(InvalidOptions) as caught:
        parsed(model, given)
    assert str(caught.value) == message


def test_lines_of_a_batch() -> None:
    """They are told with their numbers."""
    lines: tuple[Any, ...] = ({}, 7, {"source": "", "nosuch": datetime.now(UTC)})
    assert [str(entry) for _, entry in read_entries(lines)] == [
        "entries[1]: either a source, or the filename of what will be uploaded",
        "entries[2]: must be an object of names and values",
        "entries[3]: nosuch: there is no such option",
    ]


def test_settings() -> None:
    """Sections and names are paths."""
    with pytest.raises(ConfigurationError) as caught:
        load_settings(env={}, flags={"http": {"port": "many", "nosuch": 1, "cors_origins": ["portal"]}})
    assert str(caught.value) == (
        "The settings are wrong. http.port: must be a whole number; http.cors_origins.0: must be an origin such as "
        "https://portal.example.com, or * for all; http.nosuch: there is no such setting"
    )
