"""From a manifest to the entries of a batch: read line by line, every mistake named with its line. Blocks."""

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from deployments.intake.job_policy import JobPolicy
from deployments.intake.json_parsing import parse_json
from deployments.intake.submission import clean_filename
from deployments.schemas.batches import MAX_ENTRIES, ManifestEntry
from deployments.schemas.option_values import given
from deployments.schemas.options import Options
from deployments.schemas.references import ReferenceFields
from deployments.sources.fetch import check_url, name_in
from deployments.sources.limits import SourceLimits
from pipelines.errors import InvalidOptions, InvalidRequest, MeetMemoError, Overloaded, ReplicaLost, refused_option
from pipelines.jobs.batch import Entry
from pipelines.jobs.job import JobOptions
from pipelines.validation import faults

MAX_LINE_CHARS = 64 << 10
MAX_TEMPLATES = 200  # that entries bring along; each is tried
MAX_LINES = 2 * MAX_ENTRIES  # empty ones too
_MAX_MISTAKES = 20


def read_lines(path: Path) -> Iterator[tuple[int, ManifestEntry | InvalidOptions]]:
    """Yield the entries of a JSONL file with their line numbers, or what is wrong; empty lines count for nothing.

    A line that is a JSON string is a source. Holds one line at a time. Raises `InvalidRequest` for what is no text.
    """
    with path.open(encoding="utf-8-sig") as file:
        try:
            for number in range(1, MAX_LINES + 1):
                line = file.readline(MAX_LINE_CHARS + 1)
                if not line:
                    return
                if len(line) > MAX_LINE_CHARS:
                    yield number, _mistake(number, f"has more than {MAX_LINE_CHARS} characters")
                    while line and not line.endswith("\n"):
                        line = file.readline(MAX_LINE_CHARS)
                elif line.strip():
                    yield number, _parsed(line, number)
            if file.read(1):
                yield MAX_LINES + 1, _mistake(MAX_LINES + 1, f"a manifest has {MAX_LINES} lines at most")
        except UnicodeDecodeError as error:
            raise InvalidRequest(f"The manifest is not UTF-8: {error}") from None


def read_entries(values: Sequence[Any]) -> Iterator[tuple[int, ManifestEntry | InvalidOptions]]:
    """Yield inline entries with their numbers from 1, or what is wrong with them, until enough is."""
    n_wrong = 0
    for number, value in enumerate(values, start=1):
        entry = _checked(value, number)
        yield number, entry
        n_wrong += isinstance(entry, InvalidOptions)
        if n_wrong == _MAX_MISTAKES:
            return


def _parsed(line: str, number: int) -> ManifestEntry | InvalidOptions:
    try:
        value = parse_json(line.encode(), "It")
    except InvalidRequest as error:
        return _mistake(number, str(error).removeprefix("It "))
    return _checked({"source": value} if isinstance(value, str) else value, number)


def _checked(value: Any, number: int) -> ManifestEntry | InvalidOptions:
    try:
        return ManifestEntry.model_validate(value)
    except ValidationError as error:
        return _mistake(number, str(faults(error.errors(include_url=False))[0]))


def _mistake(number: int, what: str) -> InvalidOptions:
    field = f"entries[{number}]"
    return InvalidOptions(f"{field}: {what}", ((field, what),))


def checked_entries(
    lines: Iterable[tuple[int, ManifestEntry | InvalidOptions]],
    common: dict[str, Any],
    policy: JobPolicy,
    limits: SourceLimits,
    tenant: str,
) -> list[Entry]:
    """Turn manifest entries into entries of a batch, numbered from 0; ``common`` are the options of all.

    Raises `InvalidOptions` with the first mistakes of all lines, and for no entries or too many; `Overloaded` when too
    many templates wait to be tried.
    """
    known: dict[str, JobOptions] = {}
    templates: set[str] = set()
    entries: list[Entry] = []
    mistakes: list[tuple[str, str]] = []
    for number, line in lines:
        try:
            if isinstance(line, InvalidOptions):
                raise line
            if line.source is not None:
                check_url(line.source, limits, tenant)
            reference = ReferenceFields.taken_from({"external_id": line.external_id, "metadata": line.metadata})
            key = json.dumps(line.options, sort_keys=True)
            if key not in known:
                values = {**common, **given(line.options)}
                wanted = Options.parse(values)
                templates.add(values.get("minutes_template", ""))
                if len(templates) > MAX_TEMPLATES:
                    raise refused_option("minutes_template", f"a batch brings {MAX_TEMPLATES} templates at most")
                known[key] = policy.check_blocking(wanted)
        except (Overloaded, ReplicaLost):  # no mistake of the manifest's
            raise
        except MeetMemoError as error:
            mistakes.append((f"entries[{number}]", str(error).removeprefix(f"entries[{number}]: ")))
            if len(mistakes) == _MAX_MISTAKES:
                break
            continue
        entries.append(
            Entry(
                seq=len(entries),
                source=line.source or "",
                filename=clean_filename(line.filename or name_in(line.source or "")),
                custom_id=line.custom_id,
                options=known[key],
                reference=reference,
            )
        )
        if len(entries) > MAX_ENTRIES:
            mistakes.append(("entries", f"a batch holds {MAX_ENTRIES} entries at most"))
            break
    if not entries and not mistakes:
        mistakes.append(("entries", "there are none"))
    if mistakes:
        raise InvalidOptions("; ".join(f"{field}: {what}" for field, what in mistakes), tuple(mistakes))
    return entries
