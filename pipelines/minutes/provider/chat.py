"""Requests to a language model and its answers, whatever the server."""

from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pipelines.core import Usage
from pipelines.minutes.provider.endpoints import JsonMode
from pipelines.minutes.provider.faults import Fault


@dataclass(frozen=True, kw_only=True)
class ChatMessage:
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True, kw_only=True)
class ChatRequest:
    """A conversation to continue with JSON of at most ``max_tokens`` tokens.

    ``schema`` is the JSON Schema of the answer, for servers that enforce one; ``user`` an opaque name of the tenant.
    """

    messages: tuple[ChatMessage, ...]
    max_tokens: int
    schema: dict[str, Any] = field(default_factory=dict)
    user: str = ""


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A whole answer; ``model`` is the name that the server says answered.

    ``n_read`` are the tokens of the prompt that the model was shown, by the server's count; None where it tells none.
    """

    text: str
    finish_reason: str
    model: str
    usage: Usage
    n_read: int | None = None

    @property
    def fault(self) -> Fault | None:
        """The fault of an unusable answer; None when it can be read."""
        if self.finish_reason == "stop":
            return None if self.text.strip() else Fault.BLANK
        return {"length": Fault.TOO_LONG, "content_filter": Fault.REFUSED}.get(self.finish_reason, Fault.INTERRUPTED)


class ChatClient(Protocol):
    """Makes one attempt at a call."""

    async def complete(self, request: ChatRequest, json_mode: JsonMode) -> Completion:
        """Return the answer, whatever its ``finish_reason``; raises ``CallFailed`` when there is none."""
        ...
