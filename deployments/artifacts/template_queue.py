"""Queues the templates of tenants for `IsolatedTemplates`, so that none runs on the event loop.

A few are worked on at once, tenants taking turns, so that nobody waits for another tenant's templates but for the ones
being worked on. What was found out about a template is remembered: a batch of thousands tries its template once.
"""

import asyncio
import hashlib
import threading
from collections import OrderedDict, deque
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from pipelines.errors import Overloaded, TemplateInvalid
from pipelines.export.blocks import Layout
from pipelines.export.templating.process import IsolatedTemplates
from pipelines.export.templating.templates import Templates

MAX_AT_ONCE = 4
MAX_WAITING = 64  # of one tenant
MAX_REMEMBERED = 1024
RETRY_AFTER_S = 2.0


class TemplateQueue:
    """Tries templates and lays minutes out by them, from an event loop or from threads."""

    def __init__(
        self, templates: Templates | None = None, *, max_at_once: int = MAX_AT_ONCE, max_waiting: int = MAX_WAITING
    ) -> None:
        self._templates = templates if templates is not None else IsolatedTemplates()
        self._max_at_once = max_at_once
        self._max_waiting = max_waiting
        self._lock = threading.Lock()
        self._threads = ThreadPoolExecutor(max_at_once, thread_name_prefix="templates")
        self._n_running = 0
        self._waiting: OrderedDict[str, deque[Callable[[], None]]] = OrderedDict()  # by tenant, in the order of turns
        self._refusals: OrderedDict[bytes, str] = OrderedDict()  # "" for a template that is good
        self._trials: dict[bytes, Future[str | Exception]] = {}

    async def check(self, tenant: str, template: str) -> None:
        """Raise `TemplateInvalid` for a template that minutes cannot be laid out by, `Overloaded` for too many."""
        # Shielded, for others may wait for the same trial.
        _raise_refusal(await asyncio.shield(asyncio.wrap_future(self._trial(tenant, template))))

    def check_blocking(self, tenant: str, template: str) -> None:
        """Check a template as `check` does, from a thread."""
        _raise_refusal(self._trial(tenant, template).result())

    async def lay_out(self, tenant: str, template: str, values: Mapping[str, Any]) -> Layout:
        """Lay out minutes; raises `TemplateInvalid`, and `Overloaded` for too many at once."""
        found: Future[Layout | Exception] = Future()

        def work() -> None:
            try:
                found.set_result(self._templates.lay_out(template, values))
            except Exception as error:  # raised where the layout is waited for
                found.set_result(error)

        with self._lock:
            self._enter(tenant, work)
        layout = await asyncio.shield(asyncio.wrap_future(found))
        if isinstance(layout, Exception):
            raise layout
        return layout

    def close(self) -> None:
        """End the processes; what waits is worked on by nobody."""
        self._threads.shutdown(wait=False, cancel_futures=True)
        if isinstance(self._templates, IsolatedTemplates):
            self._templates.close()

    def _trial(self, tenant: str, template: str) -> "Future[str | Exception]":
        digest = hashlib.sha256(template.encode("utf-8", "surrogatepass")).digest()
        with self._lock:
            known = self._refusals.get(digest)
            if known is not None:
                self._refusals.move_to_end(digest)
                found: Future[str | Exception] = Future()
                found.set_result(known)
                return found
            if digest not in self._trials:
                trial: Future[str | Exception] = Future()
                self._enter(tenant, lambda: self._try(digest, template, trial))
                self._trials[digest] = trial
            return self._trials[digest]

    def _try(self, digest: bytes, template: str, trial: "Future[str | Exception]") -> None:
        found: str | Exception = ""
        try:
            self._templates.check(template)
        except TemplateInvalid as error:
            found = str(error)
        except Exception as error:  # raised where the trial is waited for
            found = error
        with self._lock:
            del self._trials[digest]
            if isinstance(found, str):  # an outage says nothing about the template
                self._refusals[digest] = found
                if len(self._refusals) > MAX_REMEMBERED:
                    self._refusals.popitem(last=False)
        trial.set_result(found)

    def _enter(self, tenant: str, work: Callable[[], None]) -> None:
        queue = self._waiting.setdefault(tenant, deque())
        if len(queue) >= self._max_waiting:
            raise Overloaded(f"{self._max_waiting} of your templates are waiting to be tried already.", RETRY_AFTER_S)
        queue.append(work)
        self._start()

    def _start(self) -> None:
        """Begin what may begin; the tenant whose turn it was goes to the end."""
        while self._waiting and self._n_running < self._max_at_once:
            tenant, queue = self._waiting.popitem(last=False)
            work = queue.popleft()
            if queue:
                self._waiting[tenant] = queue
            self._n_running += 1
            self._threads.submit(self._work, work)

    def _work(self, work: Callable[[], None]) -> None:
        try:
            work()
        finally:
            with self._lock:
                self._n_running -= 1
                self._start()


def _raise_refusal(found: str | Exception) -> None:
    if isinstance(found, Exception):
        raise found
    if found:
        raise TemplateInvalid(found)
