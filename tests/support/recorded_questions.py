"""The questions that cassettes hold answers to: they change only with the cassettes (`scripts/record-cassettes`)."""

from pipelines.minutes.provider.chat import ChatMessage, ChatRequest
from pipelines.minutes.provider.endpoints import Endpoint

SCHEMA = {
    "type": "object",
    "properties": {
        "decision": {"type": "string"},
        "lines": {"type": "array", "items": {"type": "integer"}, "maxItems": 3},
    },
    "required": ["decision", "lines"],
}
_ASKED = (
    'Answer in json: {"decision": "...", "lines": [1]}. What was decided, and in which lines?\n'
    "0 Alice: Good morning, 大家好.\n1 Bob: We decided to close the old office.\n2 Alice: Thank you, Jürgen."
)


def _question(text: str, max_tokens: int) -> ChatRequest:
    message = ChatMessage(role="user", content=text)
    return ChatRequest(messages=(message,), max_tokens=max_tokens, schema=SCHEMA, user="")


QUESTIONS = {"whole": _question(_ASKED, 40), "cut": _question(f"{_ASKED} Say it at length.", 4)}


def deepseek_endpoint() -> Endpoint:
    return Endpoint(base_url="http://provider")


def llama_endpoint(url: str = "http://server/v1") -> Endpoint:
    return Endpoint(base_url=url, model="gemma-3-270m", deepseek=False, context_tokens=8192, max_output_tokens=400)
