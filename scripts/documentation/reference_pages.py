"""The pages of docs/reference, made from the code: each function returns one page or raises `Undocumented`."""

import inspect
from collections.abc import Iterator, Mapping
from typing import Any
from unittest.mock import patch

from prometheus_client import CollectorRegistry

from cluster.settings.settings import Settings
from deployments.http.errors.problems import STATUS
from deployments.http.routes.metrics import render_metrics
from deployments.notifications.messages import EVENTS, NOT_TOLD
from deployments.schemas.jobs import JobBody
from deployments.shards import render_answers
from deployments.telemetry.counters import CoordinatorMetrics
from deployments.telemetry.gauges import Snapshot, render_snapshot
from pipelines import errors
from pipelines.errors import MeetMemoError, Reason
from pipelines.notes import WORDINGS
from scripts.documentation.tables import code, described, sentence, table

MADE = "<!-- Made by scripts/make-reference from the code. -->\n"
KINDS = {"string": "text", "integer": "integer", "number": "number", "boolean": "true, false", "array": "list"}
BOUNDS = {"minimum": "≥ {}", "exclusiveMinimum": "> {}", "maximum": "≤ {}", "exclusiveMaximum": "< {}"}


def settings_page() -> str:
    """List every setting with its type, default and description."""
    sections = list(_sections(Settings.model_json_schema()))
    described((name, text) for _, _, rows in sections for name, _, _, text in rows)
    parts = [
        (f"## `{name}`\n\n" if name else "")
        + f"{_paragraph(text)}\n\n"
        + table(("setting", "values", "default", "meaning"), ((code(n), v, d, sentence(t)) for n, v, d, t in rows))
        for name, text, rows in sections
        if rows
    ]
    return _page(
        "Settings",
        "[How settings are given](../settings.md). The variable of `http.port` is `MEETMEMO_HTTP__PORT`; lists and "
        "mappings are JSON there. `[]` stands for each entry of a list, `TENANT` for a tenant's name.",
        "\n".join(parts),
    )


def setting_names() -> frozenset[str]:
    """Return the dotted names of all settings and sections, without ``[]`` and tenants."""
    names = [name for _, _, rows in _sections(Settings.model_json_schema()) for name, *_ in rows]
    plain = [name.replace("[]", "").replace(".TENANT", "") for name in names]
    return frozenset(".".join(name.split(".")[:n]) for name in plain for n in range(1, name.count(".") + 2))


def metrics_page() -> str:
    """List every metric with its kind and labels."""
    rows = list(_metrics())
    described((name, text) for name, _, _, text in rows)
    return _page(
        "Metrics",
        "`/metrics` serves these in Prometheus' text format. [Operations](../operations.md) says which to watch. A "
        "histogram has the series `_bucket`, `_sum` and `_count`. With several shards the Coordinators' series have "
        "a label `shard`.",
        table(
            ("metric", "kind", "labels", "meaning"),
            ((code(n), k, ", ".join(map(code, labels)), sentence(t)) for n, k, labels, t in sorted(rows)),
        ),
    )


def metric_names() -> frozenset[str]:
    """Return the names of all metrics, as they are scraped."""
    return frozenset(name for name, *_ in _metrics())


def _metrics() -> Iterator[tuple[str, str, tuple[str, ...], str]]:
    """Yield name, kind, labels and description of all metrics registered while everything is rendered once."""
    registered: list[Any] = []
    with patch.object(CollectorRegistry, "register", lambda self, collector: registered.append(collector)):
        CoordinatorMetrics()
        render_snapshot(Snapshot(n_parked=0))
        render_answers({})
        render_metrics({}, (0, 0), b"", "")
    for collector in registered:
        metric = collector.describe()[0]
        name = metric.name + {"counter": "_total", "info": "_info"}.get(metric.type, "")
        yield name, metric.type, collector._labelnames, metric.documentation


def cli_page(command: Any) -> str:
    """List every command with its arguments and options."""
    commands = list(_commands(command, "meetmemo"))
    described((name, each.help or "") for name, each in commands)
    described(
        (f"{name} {_written(parameter)}", parameter.help or "") for name, each in commands for parameter in each.params
    )
    sections = []
    for name, each in commands:
        rows = [(_written(parameter), sentence(parameter.help)) for parameter in each.params]
        sections.append(
            f"## `{name}`\n\n{_paragraph(each.help or '')}\n" + ("\n" + table(("", ""), rows) if rows else "")
        )
    return _page(
        "Commands",
        "Exit codes: 0 done, 1 some jobs failed, 2 wrong usage or settings, 3 (`transcribe`) all were transcribed and "
        "one or more have no speech.",
        "\n".join(sections),
    )


def errors_page() -> str:
    """List every reason of an error with its HTTP status, and every kind of note."""
    texts: dict[Reason, str] = {Reason.INTERNAL: "A fault of MeetMemo; its log has the traceback under the same number"}
    for name, kind in vars(errors).items():
        if (
            inspect.isclass(kind)
            and issubclass(kind, MeetMemoError)
            and "reason" in vars(kind)
            and name != "MeetMemoError"
        ):
            texts.setdefault(kind.reason, (kind.__doc__ or "").strip().split("\n\n")[0])
    described((str(reason), texts.get(reason, "")) for reason in Reason)
    return _page(
        "Errors",
        "Every refusal is `application/problem+json` (RFC 9457) with one of these as `reason`; a failed job has one "
        "too. 429, 503 and 507 say in `Retry-After` when to come again.",
        table(
            ("reason", "HTTP status", "meaning"),
            ((code(reason), str(STATUS[reason]), sentence(texts[reason])) for reason in Reason),
        )
        + "\n## Notes\n\nA job that succeeded may have `notes`, what is to be known of its recording: these codes, the "
        "sentence, and the values in it.\n\n"
        + table(("code", "text"), ((code(note), wording.english) for note, wording in WORDINGS.items())),
    )


def webhooks_page() -> str:
    """List every event of webhooks, and the fields of its payload."""
    described(EVENTS.items())
    schema = JobBody.model_json_schema()
    rows = [row for row in _fields(schema, schema["properties"], "data.") if row[0].split(".")[1] not in NOT_TOLD]
    described((name, text) for name, _, text in rows)
    return _page(
        "Webhook payloads",
        "[Webhooks](../webhooks.md) says how they are delivered and signed. The body is "
        '`{"type": …, "timestamp": …, "data": …}`; `data` is the job as `GET /v1/jobs/{job_id}` shows it, without '
        f"{', '.join(map(code, sorted(NOT_TOLD)))} and history.",
        table(("type", "told when"), ((code(name), sentence(text)) for name, text in EVENTS.items()))
        + "\n"
        + table(("field", "values", "meaning"), ((code(n), v, sentence(t)) for n, v, t in rows)),
    )


def http_page(document: Mapping[str, Any]) -> str:
    """List every operation of the API with the scope that it needs, and its parameters."""
    operations = [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]
    described((name, operation.get("summary", "")) for name, operation in operations)
    options = frozenset(document["components"]["schemas"]["Options"]["properties"])
    sections = []
    for tag in document["tags"]:
        rows = [
            (code(name), operation["summary"], _scope(operation), _parameters(operation, options))
            for name, operation in operations
            if operation["tags"][0] == tag["name"]
        ]
        sections.append(
            f"## {tag['name']}\n\n{tag['description']}\n\n" + table(("operation", "", "scope", "parameters"), rows)
        )
    return _page(
        "HTTP API",
        "A running endpoint describes all of it, bodies and answers included, at `/docs` and `/openapi.json`, and "
        "serves the console at `/`.",
        "\n".join([*sections, "## Options of a job\n\n" + _options_table(document)]),
    )


def operations_of(document: Mapping[str, Any]) -> frozenset[tuple[str, str]]:
    """Return method and path of each operation, with ``{}`` for parameters."""
    return frozenset(
        (method.upper(), "/".join("{}" if part.startswith("{") else part for part in path.split("/")))
        for path, methods in document["paths"].items()
        for method in methods
    )


def fields_of(document: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of all fields of all bodies."""
    return frozenset(
        name for schema in document["components"]["schemas"].values() for name in (*schema.get("properties", {}),)
    )


def _page(title: str, lead: str, body: str) -> str:
    return f"{MADE}\n# {title}\n\n{lead}\n\n{body}"


def _sections(
    schema: Mapping[str, Any], prefix: str = "", root: Mapping[str, Any] | None = None
) -> Iterator[tuple[str, str, list[tuple[str, str, str, str]]]]:
    """Yield name and description of each section, and of its settings name, values, default and description."""
    root = root or schema
    rows, inner = [], []
    for name, entry in schema["properties"].items():
        section, dotted = _section(entry, root), f"{prefix}{name}"
        if section:
            inner.append((f"{dotted}{section[0]}.", section[1]))
        else:
            default = "" if entry.get("default") in (None, ".") else _shown(entry["default"])
            text = entry.get("description", "") or _of_parent(schema, name, root)
            rows.append((dotted, _values(entry, root), default, text))
    yield prefix.rstrip("."), schema.get("description", ""), rows
    for dotted, section_schema in inner:
        yield from _sections(section_schema, dotted, root)


def _paragraph(text: str) -> str:
    """Format a docstring as prose: double backticks made single, lines joined, paragraphs kept."""
    return "\n\n".join(" ".join(part.replace("``", "`").split()) for part in text.split("\n\n"))


def _section(entry: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[str, Mapping[str, Any]] | None:
    """Return the section that a setting is (or lists, or maps by tenant), with its name's suffix, or None."""
    for suffix, inner in (
        ("", entry),
        ("[]", entry.get("items", {})),
        (".TENANT", entry.get("additionalProperties", {})),
    ):
        target = _resolved(inner, root) if isinstance(inner, Mapping) else {}
        if "properties" in target:
            return suffix, target
    return None


def _of_parent(schema: Mapping[str, Any], name: str, root: Mapping[str, Any]) -> str:
    """Return the description of the setting that a tenant's one overrides.

    It is in the section which holds the tenants'.
    """
    for section in root["$defs"].values():
        tenants = section.get("properties", {}).get("tenants", {}).get("additionalProperties", {})
        if isinstance(tenants, Mapping) and tenants and _resolved(tenants, root) is schema:
            return str(section["properties"].get(name, {}).get("description", ""))
    return ""


def _resolved(entry: Mapping[str, Any], root: Mapping[str, Any]) -> Mapping[str, Any]:
    reference = entry.get("$ref") or next((part["$ref"] for part in entry.get("allOf", ()) if "$ref" in part), "")
    return root.get("$defs", {})[reference.rpartition("/")[2]] if reference else entry


def _values(entry: Mapping[str, Any], root: Mapping[str, Any]) -> str:
    entry = _resolved(entry, root)
    if "anyOf" in entry:
        return next(_values(each, root) for each in entry["anyOf"] if each.get("type") != "null")
    if entry.get("title") == Reason.__name__:
        return "[a reason](errors.md)"
    if "enum" in entry:
        return ", ".join(code(str(value)) for value in entry["enum"])
    if entry.get("type") == "object":
        return "mapping"
    return ", ".join(
        [
            KINDS.get(entry.get("type", ""), ""),
            *(text.format(f"{entry[bound]:g}") for bound, text in BOUNDS.items() if bound in entry),
        ]
    )


def _shown(default: Any) -> str:
    if isinstance(default, bool):
        return code(str(default).lower())
    if isinstance(default, float):
        return code(f"{default:g}")
    if isinstance(default, list):
        return ", ".join(map(code, map(str, default)))
    return code(str(default)) if default != {} else ""


def _commands(command: Any, name: str) -> Iterator[tuple[str, Any]]:
    if subcommands := getattr(command, "commands", None):
        for word, each in subcommands.items():
            yield from _commands(each, f"{name} {word}")
    else:
        yield name, command


def _written(parameter: Any) -> str:
    if parameter.param_type_name == "argument":
        return code((parameter.metavar or parameter.name.upper()) + ("…" if parameter.nargs == -1 else ""))
    return ", ".join(map(code, (*parameter.opts, *parameter.secondary_opts)))


def _fields(root: Mapping[str, Any], properties: Mapping[str, Any], prefix: str) -> Iterator[tuple[str, str, str]]:
    for name, entry in properties.items():
        choices = entry.get("anyOf", [entry])
        inner = next((target for each in choices if "properties" in (target := _resolved(each, root))), None)
        text = entry.get("description", "") or (inner or {}).get("description", "")
        yield f"{prefix}{name}", "object" if inner else _values(entry, root), text
        if inner:
            yield from _fields(root, inner["properties"], f"{prefix}{name}.")


def _scope(operation: Mapping[str, Any]) -> str:
    scopes = {scope for way in operation.get("security", ()) for scopes in way.values() for scope in scopes}
    return ", ".join(map(code, sorted(scopes)))


def _parameters(operation: Mapping[str, Any], options: frozenset[str]) -> str:
    names = [each["name"] for each in operation.get("parameters", ()) if each["in"] != "path"]
    if not options <= set(names):
        return ", ".join(map(code, names))
    return ", ".join([*(code(name) for name in names if name not in options), "[options](#options-of-a-job)"])


def _options_table(document: Mapping[str, Any]) -> str:
    properties = document["components"]["schemas"]["Options"]["properties"]
    described((f"option {name}", entry.get("description", "")) for name, entry in properties.items())
    return table(
        ("option", "meaning"), ((code(name), sentence(entry["description"])) for name, entry in properties.items())
    )
