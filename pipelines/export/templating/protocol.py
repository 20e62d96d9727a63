"""Defines what the process for templates and its caller exchange: one order and one answer over a socket of its own.

The process is not trusted once it has seen a template: nothing it sends is unpickled, and every length is checked.

    caller → host      `ProcessLimits`, with the process' socket and a pipe for its exit status
    host → caller      a descriptor of the new process
    caller → process   length, JSON: the template, and the values to fill it with or null to try it
    process → caller   length, JSON: the layout, null for one that was only tried, or why the template is refused
"""

import json
import socket
import struct
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from pydantic import TypeAdapter, ValidationError

from pipelines.export.blocks import Layout
from pipelines.export.templating.values import Markup
from pipelines.isolation.framing import allow_until, receive_exactly
from pipelines.isolation.limits import ProcessLimits

LENGTH = struct.Struct("<Q")
MAX_ANSWER_BYTES = 32 << 20
MAX_REFUSAL_CHARACTERS = 1000
_MARKUP = ""  # a name that no value has


def encode_limits(limits: ProcessLimits) -> bytes:
    """Encode limits for the host as JSON."""
    return json.dumps(asdict(limits)).encode()


def decode_limits(data: bytes) -> ProcessLimits:
    """Decode the limits that `encode_limits` encoded."""
    return ProcessLimits(**json.loads(data))


@dataclass(frozen=True, kw_only=True)
class TemplateOrder:
    """Asks to lay minutes out by a template; ``values`` None: only to try it."""

    template: str
    values: Mapping[str, Any] | None

    def encoded(self) -> bytes:
        return json.dumps({"template": self.template, "values": _tagged(self.values)}).encode()

    @classmethod
    def decoded(cls, data: bytes | bytearray) -> Self:
        return cls(**json.loads(data, object_hook=_untagged))


@dataclass(frozen=True, kw_only=True)
class TemplateAnswer:
    """Brings a layout, or why there is none; both are empty for a template that was only tried."""

    layout: Layout | None = None
    refusal: str = ""

    def encoded(self) -> bytes:
        return _ANSWER.dump_json(self)

    @classmethod
    def decoded(cls, data: bytes | bytearray) -> "TemplateAnswer":
        """Read an answer; raises `ValueError` for what is none."""
        try:
            return _ANSWER.validate_json(data)
        except ValidationError as error:
            raise ValueError("the process said something it should not") from error


_ANSWER = TypeAdapter(TemplateAnswer)


def _tagged(value: Any) -> Any:
    """Return values as JSON, with `Markup` distinguished from text."""
    if isinstance(value, Markup):
        return {_MARKUP: str(value)}
    if isinstance(value, Mapping):
        return {name: _tagged(inner) for name, inner in value.items()}
    return [_tagged(inner) for inner in value] if isinstance(value, list | tuple) else value


def _untagged(value: dict[str, Any]) -> Any:
    return Markup(value[_MARKUP]) if value.keys() == {_MARKUP} else value


def send(connection: socket.socket, data: bytes, deadline_s: float | None = None) -> None:
    """Send a length and bytes; raises `TimeoutError` after the deadline (``time.monotonic``)."""
    allow_until(connection, deadline_s)
    connection.sendall(LENGTH.pack(len(data)) + data)


def receive(connection: socket.socket, max_bytes: int, deadline_s: float | None = None) -> bytearray:
    """Receive what `send` sends; raises `EOFError`, `TimeoutError`, and `ValueError` for more than ``max_bytes``."""
    (n_bytes,) = LENGTH.unpack(receive_exactly(connection, LENGTH.size, deadline_s))
    if n_bytes > max_bytes:
        raise ValueError(f"{n_bytes} bytes are more than {max_bytes}")
    return receive_exactly(connection, n_bytes, deadline_s)
