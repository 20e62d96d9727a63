"""Pydantic models of options, requests and problems, converted to and from the domain's dataclasses."""

from collections.abc import Callable
from functools import cache
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    ValidatorFunctionWrapHandler,
    create_model,
    field_validator,
    model_validator,
)

from deployments.schemas.option_values import decimal, given, listed, trimmed
from pipelines.errors import InvalidOptions, Reason
from pipelines.jobs.options import MINUTES_OPTIONS, JobOptions, Option, options_of
from pipelines.text.language_names import is_open, split_languages, zh_script
from pipelines.validation import faults, told, worded


class ApiModel(BaseModel):
    """Base of all wire models: unknown fields are refused, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


W = TypeVar("W", bound=ApiModel)


def with_options(*options: Option, may_be_null: bool = False) -> Callable[[type[W]], type[W]]:
    """Give a model a field for each option that it does not declare itself; ``may_be_null``: null leaves it out."""

    def made(model: type[W]) -> type[W]:
        fields: dict[str, Any] = {}
        for option in options:
            kind, default = (option.kind | None, None) if may_be_null else (option.kind, option.default)
            if option.name not in model.model_fields:
                field = Field(default, description=option.description, **option.constraints)
                fields[option.name] = (_read_as(option, kind), field)
        name, words = model.__name__, model.__doc__
        return create_model(name, __base__=model, __doc__=words, __module__=model.__module__, **fields)

    return made


def _read_as(option: Option, kind: Any) -> Any:
    """Return a type that reads its values as `deployments.schemas.option_values` says."""
    if option.is_list:
        return Annotated[kind, BeforeValidator(listed)]
    if option.kind is float:
        return Annotated[kind, BeforeValidator(decimal)]
    free_text = option.kind is str
    return kind if free_text else Annotated[kind, BeforeValidator(trimmed)]


class LanguageFields(ApiModel):
    """The options that say which languages are spoken, and how Chinese is written, in how far they agree."""

    @model_validator(mode="before")
    @classmethod
    def _script_of_chinese(cls, values: Any) -> Any:
        """Take the script of a language such as ``zh-TW`` for ``zh_script``, unless one is given."""
        if not isinstance(values, dict) or values.get("zh_script"):
            return values
        named = [values.get("language"), listed(values.get("languages"))]
        texts = [text for value in named for text in (value if isinstance(value, list | tuple) else [value])]
        names = split_languages(text for text in texts if isinstance(text, str))
        scripts = set(filter(None, map(zh_script, names)))
        return {**values, "zh_script": scripts.pop()} if len(scripts) == 1 else values

    @model_validator(mode="after")
    def _fixed_language_is_allowed(self) -> Self:
        chosen = dict(self)
        language, languages = chosen.get("language"), chosen.get("languages")
        if language and languages and language not in languages:
            raise ValueError(f"language is {language}, which is not among languages ({', '.join(languages)})")
        return self


@with_options(*options_of())
class Options(LanguageFields):
    """The options of a job that a submitter may choose."""

    @model_validator(mode="after")
    def _nothing_is_ignored(self) -> Self:
        chosen = dict(self)
        for name in MINUTES_OPTIONS:
            if chosen["minutes"] == "none" and name != "minutes" and chosen[name]:
                raise ValueError(f"{name} is given, but minutes is none")
        return self

    @classmethod
    def parse(cls, values: dict[str, Any]) -> Self:
        """Validate raw values (strings from a form or query, or JSON); raises `InvalidOptions`."""
        known = {name: value for name, value in values.items() if name in cls.model_fields}
        return parsed(cls, {name: value for name, value in values.items() if name not in known} | given(known))

    def to_domain(self, default_model: str, *, reuse: bool = True, diarize: str | None = None) -> JobOptions:
        """Fill in what was left open; ``diarize`` is for recordings of one channel whose speaker is not named."""
        chosen = self.model_dump()
        if chosen["diarize"] is None and chosen["channels"] == "mix" and chosen["track"] != "all":
            chosen["diarize"] = None if chosen["speakers"] else diarize
        chosen["diarize"] = None if chosen["diarize"] == "off" else chosen["diarize"]
        chosen["model"] = chosen["model"] or default_model
        chosen["reuse"] = reuse if chosen["reuse"] is None else chosen["reuse"]
        if chosen["language"] or len(chosen["languages"]) == 1:
            chosen["language"], chosen["languages"] = chosen["language"] or chosen["languages"][0], ()
        return JobOptions(**chosen)

    @classmethod
    def from_domain(cls, options: JobOptions) -> Self:
        """Show the options of a job unchecked: its tenant's vocabulary may have made them more than may be given."""
        return cls.model_construct(**{name: getattr(options, name) for name in cls.model_fields})


def parsed(kind: type[W], values: dict[str, Any]) -> W:
    """Validate raw values (strings from a form or query, or JSON); raises `InvalidOptions`."""
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise refused(error) from None


def refused(error: ValidationError) -> InvalidOptions:
    """Return the error for values that failed validation."""
    found = faults(error.errors(include_url=False))
    return InvalidOptions(told(found), found)


class VersionOverrides(ApiModel):
    """The version of the transcript that a later job takes, and the language of its minutes."""

    version: int | None = Field(
        None, ge=0, description="Which version of the transcript: 0 as it was transcribed; the newest when left out."
    )

    @field_validator("minutes_language", mode="wrap", check_fields=False)
    @classmethod
    def _as_spoken(cls, value: Any, read: ValidatorFunctionWrapHandler) -> Any:
        """Keep ``""`` and ``auto``, which replace the job's language by the one spoken, apart from null."""
        return "" if isinstance(value, str) and is_open(value) else read(value)


@with_options(*(option for option in options_of() if option.concern in ("minutes", "translation")), may_be_null=True)
class MinutesOverrides(VersionOverrides):
    """Options for writing minutes anew: given ones replace the job's own, the rest stays."""

    minutes: Literal["auto", "extractive", "llm"] | None = Field(None, description="Who writes them.")


def field_schemas(model: type[ApiModel]) -> dict[str, dict[str, Any]]:
    """Return the JSON Schema of each field, null apart; ``concern`` says what an option decides."""
    concerns = {option.name: option.concern for option in options_of()}
    schemas: dict[str, dict[str, Any]] = {}
    for name, schema in _properties(model).items():
        kind: dict[str, Any] = next((kind for kind in schema.get("anyOf", ()) if kind["type"] != "null"), {})
        schemas[name] = {**schema, **kind, "concern": concerns.get(name, "job")}
        schemas[name].pop("anyOf", None)
    return schemas


@cache
def _properties(model: type[ApiModel]) -> dict[str, dict[str, Any]]:
    properties: dict[str, dict[str, Any]] = model.model_json_schema()["properties"]
    return properties


HEXADECIMAL_ID = worded("^[0-9a-f]{32}$", "must be an id: 32 digits 0-9 and a-f")


class SourceRequest(ApiModel):
    """A job whose recording is pulled from a URL, or was put to the URL of an upload: one of both."""

    source: str | None = Field(
        None, min_length=1, max_length=4096, description="Where the recording is: an `https` URL."
    )
    upload: str | None = Field(
        None, pattern=HEXADECIMAL_ID, description="The id of an upload, from `POST /v1/uploads/presigned`."
    )
    external_id: str | None = Field(None, description="As the parameter.")
    metadata: dict[str, str] | None = Field(None, description="As the parameter.")
    filename: str | None = Field(None, max_length=255, description="Name to show; the URL's last part when left out.")
    options: dict[str, Any] = Field(default_factory=dict, description="See the schema `Options`.")

    @model_validator(mode="before")
    @classmethod
    def _without_empty(cls, values: Any) -> Any:
        return given(values) if isinstance(values, dict) else values

    @model_validator(mode="after")
    def _one_recording(self) -> Self:
        if (self.source is None) == (self.upload is None):
            raise ValueError("give exactly one of source and upload")
        return self


class FieldProblem(ApiModel):
    """One thing that is wrong, and where."""

    field: str
    message: str


class Problem(ApiModel):
    """Problem details (RFC 9457) with an enumerated ``reason``."""

    type: str = Field(description="`urn:meetmemo:problem:` and the reason.")
    title: str
    status: int
    detail: str
    reason: Reason
    errors: list[FieldProblem] = Field(default_factory=list)
    instance: str | None = Field(None, description="For internal errors: what to look for in the logs.")
