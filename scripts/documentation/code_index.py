"""Look up files, modules, classes and names in the sources, without importing them."""

import ast
import fnmatch
import re
import subprocess
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

NAME = re.compile(r"[A-Za-z_]\w*")
PLAIN_BASES = {"ABC", "BaseModel", "Enum", "Exception", "Generic", "NamedTuple", "Protocol", "StrEnum", "object"}
OTHER_SOURCES = {".py", ".js", ".html", ".css", ".yaml", ".yml", ".toml", ".json", ".mako", ".sh", ""}
FIELDS = (ast.Attribute, ast.Name, ast.arg, ast.keyword, ast.alias, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)


@dataclass
class ClassIndex:
    """The names of a class: methods, fields, attributes set on ``self``; and the simple names of its bases."""

    members: set[str] = field(default_factory=set)
    bases: tuple[str, ...] = ()


@dataclass
class ModuleIndex:
    """The top-level names of a module, imported ones among them, its classes, and its docstrings."""

    path: str
    names: set[str] = field(default_factory=set)
    classes: dict[str, ClassIndex] = field(default_factory=dict)
    identifiers: set[str] = field(default_factory=set)
    docstrings: list[tuple[int, str]] = field(default_factory=list)


class CodeIndex:
    """Indexes the files that git knows below a root, and the definitions of the Python ones among them."""

    def __init__(self, root: Path) -> None:
        """List the files; the packages of the product are those that import-linter knows by pyproject.toml."""
        self.root = root
        settings = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
        self.packages = tuple(settings["tool"]["importlinter"]["root_packages"])
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        self.files = sorted(name for name in set(listed.split("\0")) if name and (root / name).is_file())
        self.folders = {str(parent) for name in self.files for parent in Path(name).parents} - {"."}
        self._modules: dict[str, ModuleIndex] = {}

    @cached_property
    def product(self) -> dict[str, ModuleIndex]:
        """Every module of the product by its dotted name."""
        paths = [name for name in self.files if name.endswith(".py") and name.split("/")[0] in self.packages]
        return {_dotted(path): self.module(path) for path in paths}

    @cached_property
    def classes(self) -> dict[str, list[ClassIndex]]:
        """The classes of the product by simple name."""
        found: dict[str, list[ClassIndex]] = {}
        for module in self.product.values():
            for name, entry in module.classes.items():
                found.setdefault(name, []).append(entry)
        return found

    @cached_property
    def identifiers(self) -> set[str]:
        """Every name and text in the code: the product's without comments and docstrings, other sources as they are."""
        found: set[str] = set()
        for name in self.files:
            if name.startswith("docs/"):
                continue
            if name.split("/")[0] in self.packages and name.endswith(".py"):
                found |= self.module(name).identifiers
            elif Path(name).suffix in OTHER_SOURCES and "tests/data" not in name:
                found.update(NAME.findall((self.root / name).read_text(encoding="utf-8", errors="ignore")))
        return found

    def module(self, path: str) -> ModuleIndex:
        """Index one Python file."""
        if path not in self._modules:
            self._modules[path] = _index(path, (self.root / path).read_text(encoding="utf-8"))
        return self._modules[path]

    def has_path(self, path: str) -> bool:
        """Say whether a path from the root is a file or a folder, or a pattern that some file matches."""
        path = path.rstrip("/")
        return path in self.folders or path in self.files or ("*" in path and bool(fnmatch.filter(self.files, path)))

    def ending(self, name: str) -> list[str]:
        """Return the files whose path ends with a name."""
        return [path for path in self.files if path == name or path.endswith(f"/{name}")]

    def defines(self, path: str, names: list[str]) -> bool:
        """Say whether a file's module defines ``Class.member`` or ``function``; other files must contain the names."""
        if not path.endswith(".py"):
            return all(name in (self.root / path).read_text(encoding="utf-8", errors="ignore") for name in names)
        return self._resolves(self.module(path), names)

    def resolves(self, parts: list[str]) -> bool:
        """Say whether a dotted name that begins with a package of the product leads to something."""
        for n_parts in range(len(parts), 0, -1):
            dotted = ".".join(parts[:n_parts])
            if dotted in self.product:
                return self._resolves(self.product[dotted], parts[n_parts:])
        return "/".join(parts) in self.folders

    def tails(self, name: str) -> list[ModuleIndex]:
        """Return the modules whose last part is a name."""
        return [module for dotted, module in self.product.items() if dotted.rpartition(".")[2] == name]

    def has_member(self, class_name: str, names: list[str]) -> bool:
        """Say whether a class of that simple name, or a base of it, has a member."""
        return any(self._member(entry, names[0]) for entry in self.classes[class_name])

    def _resolves(self, module: ModuleIndex, names: list[str]) -> bool:
        if not names:
            return True
        if names[0] in module.classes and len(names) > 1:
            return self._member(module.classes[names[0]], names[1])
        return names[0] in module.names

    def _member(self, entry: ClassIndex, name: str) -> bool:
        """Say whether a class has a member itself or by a base; a base of an unknown library may have any."""
        if "BaseModel" in entry.bases and name.startswith("model_"):
            return True
        return name in entry.members or any(
            base not in self.classes
            or any(self._member(each, name) for each in self.classes[base] if each is not entry)
            for base in entry.bases
            if base not in PLAIN_BASES
        )


def _dotted(path: str) -> str:
    return path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _index(path: str, source: str) -> ModuleIndex:
    tree = ast.parse(source)
    module = ModuleIndex(path=path)
    module.names.update(_bound(tree.body))
    quoted: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef) and node in tree.body:
            module.classes[node.name] = _class(node)
        for doc in _docstrings(node):
            quoted.add(id(doc))
            module.docstrings.append((doc.lineno, str(doc.value)))
        if isinstance(node, FIELDS):
            module.identifiers.update(_names(node))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in quoted:
            module.identifiers.update((*NAME.findall(node.value), node.value))
    return module


def _docstrings(node: ast.AST) -> Iterator[ast.Constant]:
    """Yield the strings that stand alone in a body: docstrings of modules, classes, functions and attributes."""
    body = getattr(node, "body", ())
    for statement in body if isinstance(body, list) else ():
        value = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(value, ast.Constant) and isinstance(value.value, str):
            yield value


def _names(node: ast.AST) -> Iterator[str]:
    for attribute in ("attr", "id", "arg", "name", "asname"):
        if isinstance(value := getattr(node, attribute, None), str):
            yield from value.split(".")


def _bound(body: list[ast.stmt]) -> Iterator[str]:
    """Yield the names that statements bind, also within ``if`` and ``try``."""
    for statement in body:
        if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield statement.name
        elif isinstance(statement, ast.Import | ast.ImportFrom):
            yield from ((alias.asname or alias.name).split(".")[0] for alias in statement.names)
        elif isinstance(statement, ast.Assign | ast.AnnAssign | ast.AugAssign):
            for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
                yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))
        for block in ("body", "orelse", "handlers", "finalbody"):
            if not isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from _bound(getattr(statement, block, []))


def _class(node: ast.ClassDef) -> ClassIndex:
    entry = ClassIndex(bases=tuple(name for base in node.bases if (name := _last_name(base))))
    entry.members.update(_bound(node.body))
    for child in ast.walk(node):
        if isinstance(child, ast.Attribute) and isinstance(child.ctx, ast.Store) and _last_name(child.value) == "self":
            entry.members.add(child.attr)
    return entry


def _last_name(base: ast.expr) -> str:
    if isinstance(base, ast.Subscript):
        base = base.value
    return base.attr if isinstance(base, ast.Attribute) else base.id if isinstance(base, ast.Name) else ""
