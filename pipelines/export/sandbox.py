"""Jinja2 for templates of strangers: values, conditions, loops and a few filters, all of them bounded.

Jinja's own sandbox keeps templates away from Python; it does not keep them from filling the memory or from looping for
days. Here a template has no calls, no macros, no includes and no concatenation, its loops share one budget, and what
it writes has a limit. Text that comes out of an expression is escaped, so that nothing spoken becomes markup.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from jinja2 import StrictUndefined, TemplateError, nodes
from jinja2.sandbox import SandboxedEnvironment

from pipelines.errors import TemplateInvalid

MAX_TEMPLATE_CHARACTERS = 20_000
MAX_OUTPUT_CHARACTERS = 2_000_000
MAX_ROUNDS = 100_000  # of all loops together
MAX_JOINED_CHARACTERS = 100_000

_ALLOWED_NODES: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.Name, nodes.Const,
    nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Keyword,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Add, nodes.Sub, nodes.Neg,
)  # fmt: skip
_ALLOWED_FILTERS = (
    "capitalize", "count", "d", "default", "first", "float", "int", "last", "length", "list", "lower", "map", "reject",
    "rejectattr", "reverse", "round", "select", "selectattr", "sort", "title", "trim", "truncate", "unique", "upper",
)  # fmt: skip
_ALLOWED_TESTS = (
    "!=", "<", "<=", "==", ">", ">=", "defined", "divisibleby", "eq", "equalto", "even", "false", "ge", "gt", "in",
    "le", "lt", "ne", "none", "number", "odd", "string", "true", "undefined",
)  # fmt: skip


class Markup(str):
    """Text that is markup already, made by ourselves."""

    __slots__ = ()


def fill(template: str, values: Mapping[str, Any], escape: Callable[[str], str]) -> str:
    """The template with values in it; raises `TemplateInvalid`.

    ``escape`` is applied to every text that is not `Markup`. Names that are no values are errors.
    """
    if len(template) > MAX_TEMPLATE_CHARACTERS:
        raise TemplateInvalid(f"a template may have {MAX_TEMPLATE_CHARACTERS} characters at most")
    environment = _environment(escape)
    try:
        tree = environment.parse(template)
        _check(tree)
        _bound_loops(tree)
        code = environment.compile(tree)
        ready = environment.template_class.from_code(environment, code, {})
        pieces, n_characters = [], 0
        for piece in ready.generate(values):
            n_characters += len(piece)
            if n_characters > MAX_OUTPUT_CHARACTERS:
                raise TemplateInvalid(f"it writes more than {MAX_OUTPUT_CHARACTERS} characters")
            pieces.append(piece)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise TemplateInvalid(f"{error.message}" + (f" (line {line})" if line else "")) from None
    except TemplateInvalid:
        raise
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError, AttributeError) as error:
        raise TemplateInvalid(f"it cannot be filled: {error}") from None
    return "".join(pieces)


def _environment(escape: Callable[[str], str]) -> SandboxedEnvironment:
    def finalized(value: object) -> str:
        if value is None:
            return ""
        return value if isinstance(value, Markup) else escape(str(value))

    environment = _Bounded(undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, finalize=finalized)
    environment.globals.clear()
    rounds = _Rounds()
    environment.filters = {name: environment.filters[name] for name in _ALLOWED_FILTERS} | {
        "join": _join,
        "_rounds": rounds.count,
    }
    environment.tests = {name: environment.tests[name] for name in _ALLOWED_TESTS}
    return environment


class _Bounded(SandboxedEnvironment):
    """Sums of texts and lists could double themselves into gigabytes: only numbers are added."""

    intercepted_binops = frozenset(("+", "-"))

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if not (isinstance(left, int | float) and isinstance(right, int | float)):
            raise TemplateInvalid(f"{operator} is for numbers only")
        return super().call_binop(context, operator, left, right)


class _Rounds:
    """The budget of all loops of one filling."""

    def __init__(self) -> None:
        self._n_left = MAX_ROUNDS

    def count(self, items: Any) -> Iterator[Any] | list[Any]:
        """What a loop goes over: lists only, as long as the budget lasts."""
        if isinstance(items, str) or not isinstance(items, Iterable):
            raise TemplateInvalid("loops go over lists")
        counted = list(items)
        self._n_left -= len(counted)
        if self._n_left < 0:
            raise TemplateInvalid(f"its loops take more than {MAX_ROUNDS} rounds")
        return counted


def _join(items: Any, separator: str = "", attribute: str | None = None) -> str:
    if isinstance(items, str) or not isinstance(items, Iterable):
        raise TemplateInvalid("join is for lists")
    texts = [str(item[attribute] if attribute else item) for item in items]
    if sum(map(len, texts)) + len(separator) * len(texts) > MAX_JOINED_CHARACTERS:
        raise TemplateInvalid("join makes too long a text")
    return separator.join(texts)


def _check(tree: nodes.Template) -> None:
    for node in tree.find_all(nodes.Node):
        if not isinstance(node, _ALLOWED_NODES):
            raise TemplateInvalid(f"{type(node).__name__.lower()} is not allowed in templates (line {node.lineno})")


def _bound_loops(tree: nodes.Template) -> None:
    for loop in tree.find_all(nodes.For):
        if loop.recursive:
            raise TemplateInvalid(f"recursive loops are not allowed in templates (line {loop.lineno})")
        loop.iter = nodes.Filter(loop.iter, "_rounds", [], [], None, None, lineno=loop.lineno)
