"""`AppKey`: a typed name for an object that an application holds and the dependencies of its routes look up."""

from typing import Generic, TypeVar, cast

from starlette.applications import Starlette
from starlette.requests import Request

T = TypeVar("T")


class AppKey(Generic[T]):
    """Reads and writes one attribute of ``app.state`` with its type; each name belongs to one key."""

    def __init__(self, name: str) -> None:
        self._name = name

    def put(self, app: Starlette, value: T) -> None:
        """Have an application hold a value."""
        setattr(app.state, self._name, value)

    def of(self, app: Starlette) -> T:
        """Return what an application holds."""
        return cast(T, getattr(app.state, self._name))

    def get(self, request: Request) -> T:
        """Return what the application that serves a request holds."""
        return self.of(request.app)
