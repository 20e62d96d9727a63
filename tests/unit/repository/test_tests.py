"""The tests themselves: they use what is public, and none waits for time to pass."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
UNIT = "tests/unit"
DOCUMENTED = {"_asdict", "_exit", "_fields", "_make", "_replace"}  # of named tuples and of ``os``
BY_NAME = {"delattr", "getattr", "hasattr", "object", "patch", "setattr"}  # the last part of what is called

PRIVATE = {
    (
        f"{UNIT}/cluster/lifecycle/test_haproxy.py",
        "_generate_config_file_internal",
    ): "Ray writes its proxy's file there",
    ("tests/support/shared_analysis.py", "_compat"): "FastAPI has no public name for what it knows of a type",
    ("tests/support/shared_analysis.py", "_get_signature"): "nor for what it knows of a function",
    (f"{UNIT}/cluster/lifecycle/test_haproxy.py", "_private"): "Ray has no public name for its proxy",
    (f"{UNIT}/cluster/serve/test_chart.py", "_private"): "whether Ray's autoscaler can read the chart is asked",
    (
        f"{UNIT}/cluster/serve/test_chart.py",
        "_derive_autoscaling_config_from_ray_cr",
    ): "Ray's autoscaler reads a cluster's resource by it",
    (f"{UNIT}/cluster/serve/test_accepting_router.py", "_private"): "which of a replica's methods Serve calls is asked",
    (f"{UNIT}/cluster/serve/test_replica_counts.py", "_private"): "Serve's own end of its long poll answers",
    (f"{UNIT}/cluster/serve/test_loopback.py", "_private"): "whether Ray still opens its port there is the question",
    (f"{UNIT}/cluster/serve/test_stopping.py", "_private"): "whether Ray still ends replicas there is the question",
    (
        f"{UNIT}/cluster/serve/test_stopping.py",
        "_perform_graceful_shutdown",
    ): "it is what a replica's end is hooked into",
    (
        f"{UNIT}/cluster/lifecycle/test_proxy_middleware.py",
        "_private",
    ): "whether Ray still takes middleware there is asked",
    (
        f"{UNIT}/cluster/lifecycle/test_proxy_middleware.py",
        "_apply_middlewares",
    ): "Ray applies what the setting names by it",
    (f"{UNIT}/cluster/serve/test_own_streams.py", "_private"): "what Serve puts in the place of stderr is asked",
    (f"{UNIT}/cluster/lifecycle/test_environment.py", "_private"): "Ray's own default is compared with",
    ("tests/fakes/cuda.py", "_obj"): "what ctypes.byref points to has no public name",
    (f"{UNIT}/pipelines/whisper/test_engine.py", "_encode"): "how long a row's encoding is shows in no transcript",
}
SLEEPS = {
    (f"{UNIT}/pipelines/isolation/test_seccomp.py", "time.sleep(0.001)"): "that a confined process may sleep is tested",
    (
        f"{UNIT}/deployments/http/api/test_tus.py",
        "asyncio.sleep(0.3)",
    ): "an answer that waits cannot be told from outside",
    (
        f"{UNIT}/deployments/http/api/test_torn_uploads.py",
        "asyncio.sleep(0.002 * (number % 7))",
    ): "a real server's sockets are reset after some of their bytes have arrived",
}


def is_private(dotted: str) -> bool:
    return any(name.startswith("_") and not name.startswith("__") for name in dotted.split("."))


def private_names(tree: ast.AST) -> Iterator[str]:
    """Yield private names that are read from something else than ``self``, imported, or patched by their text."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="self" | "cls") | ast.Call(func=ast.Name(id="super"))):
                pass
            case ast.Attribute(attr=name) if is_private(name) and name not in DOCUMENTED:
                yield name
            case ast.ImportFrom(module=module, names=names):
                for dotted in (module or "", *(alias.name for alias in names)):
                    yield from filter(is_private, dotted.split("."))
            case ast.Call(func=ast.Name(id=called) | ast.Attribute(attr=called), args=args) if called in BY_NAME:
                for arg in args[:2]:
                    if isinstance(arg, ast.Constant) and isinstance(arg.value, str):
                        yield from filter(is_private, arg.value.split("."))


def real_sleeps(tree: ast.Module) -> Iterator[str]:
    """Yield calls that sleep in real time: those by ``time``, and others outside of programs run in virtual time."""
    is_virtual = any(
        isinstance(node, ast.ImportFrom) and node.module == "tests.support.virtual_time" for node in tree.body
    )
    for part in tree.body:
        is_test = isinstance(part, ast.AsyncFunctionDef) and part.name.startswith("test_")
        decorators = [ast.unparse(decorator) for decorator in getattr(part, "decorator_list", ())]
        is_spared = "in_virtual_time" in decorators or (is_virtual and not is_test)
        for node in ast.walk(part):
            match node:
                case ast.ImportFrom(module="time" | "asyncio" | "anyio", names=names):
                    yield from (f"from {node.module} import sleep" for alias in names if alias.name == "sleep")
                case ast.Call(func=ast.Attribute(value=ast.Name(id="time"), attr="sleep")):
                    yield ast.unparse(node)
                case ast.Call(func=ast.Attribute(value=ast.Name(id="asyncio" | "anyio"), attr="sleep"), args=args):
                    if not is_spared and not (args and ast.unparse(args[0]) == "0"):
                        yield ast.unparse(node)


def sources(*folders: str) -> Iterator[tuple[str, ast.Module]]:
    for folder in folders:
        for path in sorted((ROOT / folder).rglob("*.py")):
            yield str(path.relative_to(ROOT)), ast.parse(path.read_text())


def test_private_names_are_left_alone() -> None:
    """A test that reaches behind the public surface breaks with the next mending; those that remain have a reason."""
    assert {(path, name) for path, tree in sources("tests") for name in private_names(tree)} == set(PRIVATE)


def test_no_test_sleeps() -> None:
    """Clocks are injected or jump, and what happens in threads sets events; those that remain have a reason."""
    found = {(path, call) for path, tree in sources(UNIT, "tests/contracts") for call in real_sleeps(tree)}
    assert found == set(SLEEPS)


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("queue._trials", ["_trials"]),
        ("a.b._c.d()", ["_c"]),
        ("from x._y import z, _w", ["_y", "_w"]),
        ("monkeypatch.setattr(module, '_LIMIT', 1)", ["_LIMIT"]),
        ("patch('a.b._resolve', 1)", ["_resolve"]),
        ("patch.object(loop, 'getaddrinfo')", []),
        ("self._own + super()._theirs + x.__class__ + named._replace()", []),
    ],
)
def test_private_names_are_found(source: str, found: list[str]) -> None:
    """Attributes, imports and patches."""
    assert list(private_names(ast.parse(source))) == found


VIRTUAL = "from tests.support.virtual_time import in_virtual_time\n"


@pytest.mark.parametrize(
    ("source", "n_found"),
    [
        ("time.sleep(0)", 1),
        ("from asyncio import sleep", 1),
        ("async def test_it(): await asyncio.sleep(0)", 0),
        ("async def test_it(): await asyncio.sleep(0.1)", 1),
        ("async def wait(): await asyncio.sleep(pause_s)", 1),
        (f"{VIRTUAL}async def wait(): await asyncio.sleep(pause_s)", 0),
        (f"{VIRTUAL}async def test_it(): await asyncio.sleep(0.1)", 1),
        (f"{VIRTUAL}@in_virtual_time\nasync def test_it(): await asyncio.sleep(0.1)", 0),
        (f"{VIRTUAL}@in_virtual_time\nasync def test_it(): time.sleep(0.1)", 1),
    ],
)
def test_sleeps_are_found(source: str, n_found: int) -> None:
    """Real ones, not those of virtual time, nor those that only let others have their turn."""
    assert len(list(real_sleeps(ast.parse(source)))) == n_found
