"""Runs templates of strangers: values, conditions, loops and a few filters, all of them bounded.

Jinja's own sandbox keeps templates away from Python; it does not keep them from filling the memory or from computing
for days. So only its syntax is used (`pipelines.export.templating.syntax`), and the tree is walked here: every step,
every round, every character is paid for out of one budget. Text that comes out of an expression is escaped, so that
nothing spoken becomes markup.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from jinja2 import nodes

from pipelines.errors import TemplateInvalid
from pipelines.export.templating.filters import FILTERS, TESTS, applied
from pipelines.export.templating.syntax import parsed
from pipelines.export.templating.values import (
    MAX_LITERAL_ITEMS,
    MAX_STEPS,
    SEQUENCES,
    Budget,
    Loop,
    Markup,
    Undefined,
    attribute,
    checked_number,
    contains,
    defined,
    equal,
    less,
    number,
    text_of,
    truth,
)

MAX_OUTPUT_CHARACTERS = 500_000


def fill(template: str, values: Mapping[str, Any], escape: Callable[[str], str], max_steps: int = MAX_STEPS) -> str:
    """Fill a template with values; raises `TemplateInvalid`.

    ``escape`` is applied to every text that is not `Markup`. Names that are no values are errors.
    """
    tree = parsed(template, filters=FILTERS, tests=TESTS)
    run = _Run(escape, Budget(max_steps))
    try:
        run.body(tree.body, _Scope(values, None))
    except TemplateInvalid as error:
        raise TemplateInvalid(f"{error} (line {run.line})") from None
    except (ArithmeticError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise TemplateInvalid(f"it cannot be filled: {error} (line {run.line})") from None
    return "".join(run.pieces)


class _Scope:
    """Holds names and values; those of loops end with each round, as in Jinja."""

    def __init__(self, names: Mapping[str, Any], outer: "_Scope | None") -> None:
        self._names = dict(names)
        self._outer = outer

    def __getitem__(self, name: str) -> Any:
        scope: _Scope | None = self
        while scope is not None:
            if name in scope._names:
                return scope._names[name]
            scope = scope._outer
        return Undefined(about=f"{name!r} is undefined")

    def __setitem__(self, name: str, value: Any) -> None:
        self._names[name] = value


class _Run:
    """Runs one template; knows what was written so far, and in which line it is."""

    def __init__(self, escape: Callable[[str], str], budget: Budget) -> None:
        self._escape = escape
        self._budget = budget
        self._n_characters = 0
        self.pieces: list[str] = []
        self.line = 1

    def body(self, statements: Sequence[nodes.Node], scope: _Scope) -> None:
        """Run statements one after the other."""
        for statement in statements:
            self._budget.spend()
            self.line = statement.lineno
            match statement:
                case nodes.Output():
                    for part in statement.nodes:
                        self._write(part.data if isinstance(part, nodes.TemplateData) else self._shown(part, scope))
                case nodes.If():
                    self._if(statement, scope)
                case nodes.For():
                    self._for(statement, scope)
                case nodes.Assign():
                    self._assign(statement.target, self._value(statement.node, scope), scope)
                case _:
                    raise TemplateInvalid(f"{type(statement).__name__.lower()} is not allowed in templates")

    def _write(self, text: str) -> None:
        self._n_characters += len(text)
        if self._n_characters > MAX_OUTPUT_CHARACTERS:
            raise TemplateInvalid(f"it writes more than {MAX_OUTPUT_CHARACTERS} characters")
        self._budget.spend_characters(len(text))
        self.pieces.append(text)

    def _shown(self, node: nodes.Node, scope: _Scope) -> str:
        value = self._value(node, scope)
        if isinstance(value, Markup):
            return value
        text = text_of(value, "printing")
        self._budget.spend_characters(len(text))
        return self._escape(text)

    def _if(self, statement: nodes.If, scope: _Scope) -> None:
        for branch in (statement, *statement.elif_):
            self.line = branch.lineno
            if truth(self._value(branch.test, scope)):
                return self.body(branch.body, scope)
        return self.body(statement.else_, scope)

    def _for(self, loop: nodes.For, scope: _Scope) -> None:
        items = self._budget.items(self._value(loop.iter, scope))
        if loop.test is not None:
            items = [item for item in items if truth(self._value(loop.test, self._round(loop, item, scope)))]
        if not items:
            return self.body(loop.else_, _Scope({}, scope))
        for index0, item in enumerate(items):
            inner = self._round(loop, item, scope)
            inner["loop"] = Loop(items=items, index0=index0)
            self.body(loop.body, inner)
        return None

    def _round(self, loop: nodes.For, item: Any, scope: _Scope) -> _Scope:
        inner = _Scope({}, scope)
        self._assign(loop.target, item, inner)
        return inner

    def _assign(self, target: nodes.Node, value: Any, scope: _Scope) -> None:
        if isinstance(target, nodes.Name):
            scope[target.name] = value
        elif isinstance(target, nodes.Tuple):
            items = self._budget.items(value, "only lists are taken apart")
            if len(items) != len(target.items):
                raise TemplateInvalid(f"{len(items)} items are taken apart into {len(target.items)} names")
            for inner, item in zip(target.items, items, strict=True):
                self._assign(inner, item, scope)
        else:
            raise TemplateInvalid("only names are assigned to")

    def _value(self, node: nodes.Node, scope: _Scope) -> Any:
        self._budget.spend()
        match node:
            case nodes.Const():
                return node.value
            case nodes.TemplateData():
                return node.data
            case nodes.Name():
                return scope[node.name]
            case nodes.Getattr():
                return attribute(self._value(node.node, scope), node.attr)
            case nodes.Getitem(arg=nodes.Slice() as cut):
                return self._slice(self._value(node.node, scope), cut, scope)
            case nodes.Getitem():
                return attribute(self._value(node.node, scope), self._value(node.arg, scope))
            case nodes.List() | nodes.Tuple():
                made = [self._value(item, scope) for item in node.items]
                self._budget.weigh(made, MAX_LITERAL_ITEMS)
                return made
            case nodes.Filter():
                return self._applied(FILTERS, node, scope)
            case nodes.Test():
                return self._applied(TESTS, node, scope)
            case nodes.And():
                left = self._value(node.left, scope)
                return self._value(node.right, scope) if truth(left) else left
            case nodes.Or():
                left = self._value(node.left, scope)
                return left if truth(left) else self._value(node.right, scope)
            case nodes.Not():
                return not truth(self._value(node.node, scope))
            case nodes.CondExpr():
                return self._conditional(node, scope)
            case nodes.Compare():
                return self._compared(node, scope)
            case nodes.Add() | nodes.Sub():
                left = number(self._value(node.left, scope), node.operator)
                right = number(self._value(node.right, scope), node.operator)
                return checked_number(left + right if isinstance(node, nodes.Add) else left - right)
            case nodes.Neg():
                return checked_number(-number(self._value(node.node, scope), "-"))
        raise TemplateInvalid(f"{type(node).__name__.lower()} is not allowed here")

    def _applied(self, table: Mapping[str, Callable[..., Any]], node: nodes.Filter | nodes.Test, scope: _Scope) -> Any:
        value = self._value(node.node, scope) if node.node is not None else ""
        args = tuple(self._value(arg, scope) for arg in node.args)
        kwargs = {str(pair.key): self._value(pair.value, scope) for pair in node.kwargs}
        return applied(table, self._budget, node.name, value, args, kwargs)

    def _conditional(self, node: nodes.CondExpr, scope: _Scope) -> Any:
        if truth(self._value(node.test, scope)):
            return self._value(node.expr1, scope)
        if node.expr2 is None:
            return Undefined(about="the condition does not hold, and there is no else")
        return self._value(node.expr2, scope)

    def _compared(self, node: nodes.Compare, scope: _Scope) -> bool:
        left = self._value(node.expr, scope)
        for operand in node.ops:
            right = self._value(operand.expr, scope)
            if not self._holds(operand.op, left, right):
                return False
            left = right
        return True

    def _holds(self, operator: str, left: Any, right: Any) -> bool:
        match operator:
            case "eq":
                return equal(self._budget, left, right)
            case "ne":
                return not equal(self._budget, left, right)
            case "lt":
                return less(self._budget, left, right)
            case "gt":
                return less(self._budget, right, left)
            case "lteq":
                return not less(self._budget, right, left)
            case "gteq":
                return not less(self._budget, left, right)
            case "in":
                return contains(self._budget, right, left)
            case "notin":
                return not contains(self._budget, right, left)
        raise TemplateInvalid(f"{operator} is not allowed in templates")

    def _slice(self, value: Any, cut: nodes.Slice, scope: _Scope) -> Any:
        if not isinstance(defined(value), (str, *SEQUENCES)):
            raise TemplateInvalid("only lists and texts are cut")
        bounds = [
            None if part is None else defined(self._value(part, scope)) for part in (cut.start, cut.stop, cut.step)
        ]
        if any(bound is not None and not isinstance(bound, int) for bound in bounds):
            raise TemplateInvalid("lists and texts are cut at whole numbers")
        piece = value[slice(*bounds)]
        if isinstance(piece, str):
            return self._budget.made(piece)
        return list(self._budget.items(piece))
