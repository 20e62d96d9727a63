"""The server and model that write the minutes, and the mode in which they answer in JSON."""

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Literal
from urllib.parse import urlsplit

DEEPSEEK_URL = "https://api.deepseek.com"
DEEPSEEK_HOST = "api.deepseek.com"
DEFAULT_MODEL = "deepseek-flash"

Thinking = Literal["auto", "on", "off"]

# Retired on 2026-07-24; what each was, in today's terms.
_RETIRED = MappingProxyType({"deepseek-chat": "off", "deepseek-reasoner": "on"})


class JsonMode(StrEnum):
    """The ways to make an endpoint answer in JSON, strongest first; ``json_object_schema`` is llama.cpp's own."""

    SCHEMA = "json_schema"
    OBJECT_SCHEMA = "json_object_schema"
    OBJECT = "json_object"
    PROMPT = "prompt"

    @property
    def rank(self) -> int:
        """0 for the strongest."""
        return list(JsonMode).index(self)


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """An OpenAI-compatible server and the model to ask there.

    ``deepseek``: it understands DeepSeek's own fields (``thinking``, ``user_id``). ``context_tokens`` is what prompt
    and answer may be together, ``max_output_tokens`` the longest answer to ask for. ``json_mode`` None means: probe.
    """

    base_url: str = DEEPSEEK_URL
    model: str = DEFAULT_MODEL
    thinking: bool = False
    deepseek: bool = True
    context_tokens: int = 1_000_000
    max_output_tokens: int = 16_000
    json_mode: JsonMode | None = None

    @property
    def prompt_tokens(self) -> int:
        """The most a prompt may be."""
        return self.context_tokens - self.max_output_tokens


def is_deepseek(base_url: str) -> bool:
    """Return whether the URL is DeepSeek's own service."""
    return urlsplit(base_url).hostname == DEEPSEEK_HOST


def todays_model(model: str, thinking: Thinking) -> tuple[str, bool, str]:
    """Map a configured model name: the name to ask for, whether it thinks, and a warning ("" when all is well).

    Thinking "auto" is off: minutes are extraction, and thinking costs tokens. An explicit "on" or "off" wins over
    what the retired name stood for.
    """
    if model in _RETIRED:
        thinks = (_RETIRED[model] if thinking == "auto" else thinking) == "on"
        how = "with" if thinks else "without"
        return (
            DEFAULT_MODEL,
            thinks,
            f"the model {model} was retired on 2026-07-24; {DEFAULT_MODEL} {how} thinking is used instead",
        )
    return model, thinking == "on", ""
