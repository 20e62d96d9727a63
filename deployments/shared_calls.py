"""`SharedCalls`: requests that come at the same time share calls of another process, and each gets its own answer."""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from deployments.call_groups import CallGroups

R = TypeVar("R")
A = TypeVar("A")


@dataclass(eq=False, kw_only=True)
class _Asked(Generic[R, A]):
    request: R
    answer: "asyncio.Future[A]"

    def tell(self, found: A | Exception) -> None:
        if self.answer.done():  # the caller was cancelled
            return
        if isinstance(found, Exception):
            self.answer.set_exception(found)
        else:
            self.answer.set_result(found)


class SharedCalls(Generic[R, A]):
    """Asks for what comes while ``at_once`` calls are open together, ``largest`` in one. Belongs to one event loop."""

    def __init__(
        self,
        ask: Callable[[tuple[R, ...]], Awaitable[Sequence[A | Exception]]],
        *,
        at_once: int,
        largest: int,
        gather_s: float = 0.0,
    ) -> None:
        """Take ``ask``, which returns an answer or an error for each request; what it raises concerns all of them.

        ``gather_s``: see `CallGroups`.
        """
        self._ask = ask
        self._groups: CallGroups[_Asked[R, A]] = CallGroups(
            self._ask_together, at_once=at_once, largest=largest, gather_s=gather_s
        )

    async def answer(self, request: R) -> A:
        """Return the answer to a request; raises its error, or what its call did."""
        asked: _Asked[R, A] = _Asked(request=request, answer=asyncio.get_running_loop().create_future())
        self._groups.add(asked)
        try:
            return await asked.answer
        finally:
            self._groups.discard(asked)

    async def _ask_together(self, together: tuple[_Asked[R, A], ...]) -> None:
        try:
            answers = await self._ask(tuple(each.request for each in together))
        except Exception as error:
            answers = [error] * len(together)
        for asked, found in zip(together, answers, strict=True):
            asked.tell(found)
