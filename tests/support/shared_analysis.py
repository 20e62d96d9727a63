"""Let the applications of one process share what FastAPI finds out about types and signatures.

An application analyses its hundred routes when it is built, a quarter of a second; a test builds its own. What it finds
depends on annotations and functions of modules alone, which stay the same.
"""

from collections.abc import Callable
from functools import cache
from inspect import Signature
from typing import Any

import pytest
from fastapi._compat import v2
from fastapi.dependencies import utils
from pydantic import ConfigDict, TypeAdapter


class _Adapters:
    """Stand in for `pydantic.TypeAdapter` where FastAPI builds one for a parameter or an answer."""

    def __init__(self) -> None:
        self._known: dict[tuple[object, ...], TypeAdapter[Any]] = {}

    def __call__(self, annotation: Any, *, config: ConfigDict | None = None) -> TypeAdapter[Any]:
        key = (annotation.__origin__, *map(repr, annotation.__metadata__), repr(config))
        try:
            adapter = self._known.get(key)
        except TypeError:  # a type that is not hashable
            return TypeAdapter(annotation, config=config)
        if adapter is None:
            adapter = self._known[key] = TypeAdapter(annotation, config=config)
        return adapter


def share_analysis(patch: pytest.MonkeyPatch) -> None:
    """Have FastAPI analyse each type, and each function that is no closure, once."""
    patch.setattr(v2, "TypeAdapter", _Adapters())
    find = utils._get_signature
    remembered = cache(find)

    def signature(call: Callable[..., Any]) -> Signature:
        of_module = getattr(call, "__closure__", call) is None
        return remembered(call) if of_module else find(call)

    patch.setattr(utils, "_get_signature", signature)
