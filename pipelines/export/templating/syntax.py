"""Parses templates: a part of Jinja2's syntax, read by Jinja2, run by `pipelines.export.templating.interpreter`.

Nothing of a template is ever compiled to Python. Calls, macros, includes, blocks and concatenation are not in the
language; depth and the numbers it writes down are bounded here, everything else when it runs.
"""

from collections.abc import Collection

from jinja2 import Environment, TemplateError, nodes

from pipelines.errors import TemplateInvalid
from pipelines.export.templating.values import checked_number
from pipelines.jobs.options import MAX_TEMPLATE_CHARACTERS

MAX_NESTING = 100  # of statements and expressions within each other

_ALLOWED_NODES: tuple[type[nodes.Node], ...] = (
    nodes.Template, nodes.Output, nodes.TemplateData, nodes.For, nodes.If, nodes.Assign, nodes.Name, nodes.Const,
    nodes.List, nodes.Tuple, nodes.Getattr, nodes.Getitem, nodes.Slice, nodes.Filter, nodes.Test, nodes.Keyword,
    nodes.Compare, nodes.Operand, nodes.And, nodes.Or, nodes.Not, nodes.CondExpr, nodes.Add, nodes.Sub, nodes.Neg,
)  # fmt: skip
_ENVIRONMENT = Environment(trim_blocks=True, lstrip_blocks=True)  # noqa: S701 - it only parses; `sandbox` escapes


def parsed(template: str, *, filters: Collection[str], tests: Collection[str]) -> nodes.Template:
    """Return the syntax tree of a template; raises `TemplateInvalid` for what is not in the language."""
    if len(template) > MAX_TEMPLATE_CHARACTERS:
        raise TemplateInvalid(f"a template may have {MAX_TEMPLATE_CHARACTERS} characters at most")
    try:
        tree = _ENVIRONMENT.parse(template)
    except TemplateError as error:
        line = getattr(error, "lineno", None)
        raise TemplateInvalid(f"{error.message}" + (f" (line {line})" if line else "")) from None
    except RecursionError:
        raise TemplateInvalid("it is nested too deep") from None
    except (ArithmeticError, ValueError) as error:  # a literal that is no number Python reads
        raise TemplateInvalid(f"it cannot be read: {error}") from None
    _check(tree, filters, tests)
    return tree


def _check(tree: nodes.Template, filters: Collection[str], tests: Collection[str]) -> None:
    level: list[nodes.Node] = [tree]
    for _ in range(MAX_NESTING):  # Jinja's own walk recurses, as deep as the template likes
        for node in level:
            try:
                _check_node(node, filters, tests)
            except TemplateInvalid as error:
                raise TemplateInvalid(f"{error} (line {node.lineno})") from None
        level = [child for node in level for child in node.iter_child_nodes()]
        if not level:
            return
    raise TemplateInvalid("it is nested too deep")


def _check_node(node: nodes.Node, filters: Collection[str], tests: Collection[str]) -> None:
    if not isinstance(node, _ALLOWED_NODES):
        raise TemplateInvalid(f"{type(node).__name__.lower()} is not allowed in templates")
    match node:
        case nodes.For(recursive=True):
            raise TemplateInvalid("recursive loops are not allowed in templates")
        case nodes.Filter(name=name) if name not in filters:
            raise TemplateInvalid(f"No filter named {name!r}.")
        case nodes.Test(name=name) if name not in tests:
            raise TemplateInvalid(f"No test named {name!r}.")
        case nodes.Filter() | nodes.Test() if node.dyn_args is not None or node.dyn_kwargs is not None:
            raise TemplateInvalid("starred arguments are not allowed in templates")
        case nodes.Const(value=int() | float() as number):
            checked_number(number)
