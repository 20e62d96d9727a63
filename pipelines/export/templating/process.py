"""Runs templates of strangers in processes of their own, which they may wreck.

The language bounds what a template computes; this bounds what the language may have overlooked. See
`pipelines.export.templating.host` for what such a process may do.
"""

import signal
import time
from collections.abc import Mapping
from typing import Any

from pipelines.errors import Overloaded, ReplicaLost, TemplateInvalid, TemplateUnknown
from pipelines.export.blocks import Layout
from pipelines.export.templating.protocol import (
    MAX_ANSWER_BYTES,
    TemplateAnswer,
    TemplateOrder,
    encode_limits,
    receive,
    send,
)
from pipelines.isolation.fork_client import ConfinedProcess, ProcessHost
from pipelines.isolation.limits import ProcessLimits

CPU_S = 3  # an honest template takes some milliseconds
MEMORY_BYTES = 128 << 20
WALL_S = 15.0  # beyond what processor time bounds: a machine whose processors are all busy
RETRY_AFTER_S = 5.0
UNUSABLE = (TemplateUnknown, TemplateInvalid, Overloaded, ReplicaLost)
"""Why a template may be of no use for minutes that are there: they get the usual layout then."""

_HOST = "pipelines.export.templating.host"


class IsolatedTemplates:
    """Starts a process for every template, by a host that is started with the first. Thread-safe; its calls block.

    Besides `TemplateInvalid` they raise `Overloaded` when the machine gives the process no time, and `ReplicaLost`
    when no process can be had.
    """

    def __init__(
        self,
        *,
        cpu_s: int = CPU_S,
        memory_bytes: int = MEMORY_BYTES,
        wall_s: float = WALL_S,
        host: ProcessHost | None = None,
    ) -> None:
        self._limits = encode_limits(ProcessLimits(cpu_s=cpu_s, memory_bytes=memory_bytes))
        self._wall_s = wall_s
        self.host = host or ProcessHost(_HOST)

    def check(self, template: str) -> None:
        """Check a template as `pipelines.export.templating.run.check_template` does."""
        self._answer(TemplateOrder(template=template, values=None))

    def lay_out(self, template: str, values: Mapping[str, Any]) -> Layout:
        """Lay out a template as `pipelines.export.templating.run.lay_out` does."""
        layout = self._answer(TemplateOrder(template=template, values=values)).layout
        if layout is None:
            raise TemplateInvalid("its process made no layout")
        return layout

    def close(self) -> None:
        """End the host and all its children; the next template starts another one."""
        self.host.close()

    def _answer(self, order: TemplateOrder) -> TemplateAnswer:
        data = order.encoded()
        for attempt in range(2):
            try:
                answer = self._attempt(data)
                break
            except ReplicaLost:  # its host was killed, or it was by the kernel: that says nothing about the template
                if attempt:
                    raise
        if answer.refusal:
            raise TemplateInvalid(answer.refusal)
        return answer

    def _attempt(self, data: bytes) -> TemplateAnswer:
        process = self.host.start_process(self._limits)
        deadline_s = time.monotonic() + self._wall_s
        try:
            send(process.connection, data, deadline_s)
            return TemplateAnswer.decoded(receive(process.connection, MAX_ANSWER_BYTES, deadline_s))
        except TimeoutError:
            raise Overloaded("Templates cannot be tried now: the machine is too busy.", RETRY_AFTER_S) from None
        except (EOFError, ConnectionError):
            raise _how_it_ended(process) from None
        except ValueError:
            raise TemplateInvalid("its process said something it should not") from None
        finally:
            process.close()


def _how_it_ended(process: ConfinedProcess) -> Exception:
    """Say why the process has ended: SIGKILL comes from outside, or from the kernel for want of memory."""
    code, _ = process.wait()
    if code == -signal.SIGKILL:
        return ReplicaLost("the process for templates was killed")
    if code == -signal.SIGXCPU:
        return TemplateInvalid("it takes too long")
    return TemplateInvalid("its process does not survive it")
