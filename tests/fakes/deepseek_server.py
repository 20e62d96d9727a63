"""A server that speaks DeepSeek's chat completions, bad days included, as a bare ASGI application.

True to the documentation as of November 2026: streamed and plain answers, keep-alive comments and empty lines while a
call waits, 429 beyond the concurrency limit, 401, 402, 400, 500 and 503, blanks instead of broken JSON, truncated
answers with ``finish_reason`` length, streams that end in the middle, the prompt cache and its accounting by
``user_id``.

    options = ServerOptions(key="sk-test", faults={"cut": 0.02})
    uvicorn.run(DeepSeekServer(options))
"""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from tests.fakes.deepseek_answers import Mistake, answer_to, spoil

Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

FaultKind = Literal[
    "429", "500", "503", "402", "401", "cut", "stall", "blank", "truncated_json", "length", "interrupted", "drop",
    "wrong_ids", "invented_quote", "invented_owner", "missing_meeting",
    "missing_line", "invented_line", "joined_lines", "untranslated_line", "other_script",
]  # fmt: skip

_STATUS = {"429": 429, "500": 500, "503": 503, "402": 402, "401": 401}
# Faults that leave nothing to use, and nothing to pay for.
_UNUSABLE = ("blank", "truncated_json", "cut", "stall", "drop")
_SAID = {
    400: "Invalid request",
    401: "Authentication Fails, Your api key is invalid",
    402: "Insufficient Balance",
    404: "Not Found",
    429: "Rate limit reached: too many concurrent requests",
    500: "Internal Server Error",
    503: "Service is too busy",
}
MODELS = ("deepseek-flash", "deepseek-v4-flash", "deepseek-v4-pro")
CHARACTERS_PER_TOKEN = 4
CACHE_UNIT_TOKENS = 64
PIECE_CHARACTERS = 400
KEEP_ALIVE_PARTS = 4  # signs of life while a call waits


@dataclass(kw_only=True)
class ServerOptions:
    """How the server behaves; may be changed while it runs.

    ``latency_s`` draws the seconds from request to end of the answer. ``faults`` are probabilities. ``json_modes``
    are the response formats it takes, others get ``refusal``: 400 from most servers, 500 from llama-cpp-python.
    ``stream_usage``: streams tell what they used, which llama-cpp-python's do not; ``knows_object_schema``: a schema
    may stand beside json_object, as llama.cpp has it. ``down`` answers every call with this status, "" with none.
    """

    key: str = "sk-simulated"
    latency_s: Callable[[random.Random], float] = lambda rng: 0.0
    max_concurrent: int = 2500
    faults: Mapping[FaultKind, float] = field(default_factory=dict)
    json_modes: tuple[str, ...] = ("text", "json_object")
    knows_object_schema: bool = False
    refusal: int = 400
    stream_usage: bool = True
    down: Literal["", "401", "402", "429", "500", "503"] = ""
    deepseek: bool = True
    stall_s: float = 600.0
    seed: int = 0


@dataclass(kw_only=True)
class BatchCounts:
    """What the server saw. ``answered`` counts whole, usable answers by the digest of their conversation."""

    calls: int = 0
    running: int = 0
    most_running: int = 0
    busy_s: float = 0.0
    faults: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    bodies: list[dict[str, Any]] = field(default_factory=list)


class DeepSeekServer:
    """The application; ``tally`` tells what happened, ``options`` what will."""

    def __init__(self, options: ServerOptions | None = None) -> None:
        self.options = options or ServerOptions()
        self.tally = BatchCounts()
        self._rng = random.Random(self.options.seed)
        self._cached: set[tuple[str, str]] = set()

    async def __call__(self, scope: dict[str, Any], receive: Receive, send: Send) -> None:
        """Serve one request."""
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        key = dict(scope["headers"]).get(b"authorization", b"").decode()
        if key != f"Bearer {self.options.key}":
            await self._refuse(send, 401)
        elif (scope["method"], scope["path"]) == ("GET", "/models"):
            await self._plain(send, 200, {"object": "list", "data": [{"id": name} for name in MODELS]})
        elif (scope["method"], scope["path"]) != ("POST", "/chat/completions"):
            await self._refuse(send, 404)
        else:
            await self._complete(body, send)

    async def _complete(self, body: bytes, send: Send) -> None:
        self.tally.calls += 1
        if self.options.down:
            await self._refuse(send, int(self.options.down))
            return
        try:
            request = json.loads(body)
            why = self._complaint(request)
        except (ValueError, TypeError, KeyError) as error:
            request, why = {}, str(error)
        if why:
            await self._refuse(send, self.options.refusal, why)
            return
        self.tally.bodies.append(request)
        if self.tally.running >= self.options.max_concurrent:
            self.tally.faults["429 (limit)"] += 1
            await self._refuse(send, 429)
            return
        self.tally.running += 1
        self.tally.most_running = max(self.tally.most_running, self.tally.running)
        began_s = _now_s()
        try:
            await self._serve(request, self._fault(), send)
        finally:
            self.tally.running -= 1
            self.tally.busy_s += _now_s() - began_s

    def _fault(self) -> str:
        draw = self._rng.random()
        for kind, probability in self.options.faults.items():
            draw -= probability
            if draw < 0:
                self.tally.faults[kind] += 1
                return kind
        return ""

    async def _serve(self, request: dict[str, Any], fault: str, send: Send) -> None:
        latency_s = self.options.latency_s(self._rng)
        if fault in _STATUS:
            await asyncio.sleep(latency_s / 4)
            await self._refuse(send, _STATUS[fault])
            return
        answer = answer_to(request["messages"])
        if fault in get_args(Mistake):
            answer = spoil(answer, fault, self._rng)  # type: ignore[arg-type]  # just checked
        text = json.dumps(answer, ensure_ascii=False)
        finish_reason = "stop"
        if fault == "blank":
            text = " " * 40
        elif fault == "truncated_json":
            text = text[: len(text) // 2]
        elif fault == "length" or len(text) > request["max_tokens"] * CHARACTERS_PER_TOKEN:
            text = text[: min(len(text) // 2, request["max_tokens"] * CHARACTERS_PER_TOKEN)]
            finish_reason = "length"
        elif fault == "interrupted":
            text, finish_reason = text[: len(text) // 2], "insufficient_system_resource"
        whole = finish_reason == "stop" and fault not in _UNUSABLE and answer.get("meetings") != []
        usage = self._usage(request, text)
        if request.get("stream"):
            await self._stream(request, text, finish_reason, usage, latency_s, fault, send)
        else:
            await self._at_once(request, text, finish_reason, usage, latency_s, send)
        if whole:
            self.tally.answered[conversation_digest(request)] += 1

    async def _stream(
        self,
        request: dict[str, Any],
        text: str,
        finish_reason: str,
        usage: dict[str, Any],
        latency_s: float,
        fault: str,
        send: Send,
    ) -> None:
        await _start(send, 200, b"text/event-stream; charset=utf-8")
        for part in range(KEEP_ALIVE_PARTS):
            await asyncio.sleep(latency_s / 2 / KEEP_ALIVE_PARTS)
            await _send(send, ": keep-alive\n\n" if part % 2 == 0 else "\n")
        pieces = [text[start : start + PIECE_CHARACTERS] for start in range(0, len(text), PIECE_CHARACTERS)]
        for index, piece in enumerate(pieces):
            await asyncio.sleep(latency_s / 2 / len(pieces))
            if fault in ("cut", "stall", "drop") and index >= len(pieces) // 2:
                await self._fall_silent(fault, send)
                return
            await _send(send, _event(request, {"content": piece}))
        await _send(send, _event(request, {"content": ""}, finish_reason, usage if self.options.stream_usage else None))
        await _send(send, "data: [DONE]\n\n", more=False)

    async def _fall_silent(self, fault: str, send: Send) -> None:
        """End the stream in the middle: politely, by keeping silent but for signs of life, or by dropping the line."""
        if fault == "drop":
            raise ConnectionAbortedError("the simulated server drops the line")
        if fault == "stall":
            end_s = _now_s() + self.options.stall_s
            while _now_s() < end_s:
                await asyncio.sleep(min(0.05, self.options.stall_s))
                await _send(send, ": keep-alive\n\n")
        await _send(send, "", more=False)

    async def _at_once(
        self,
        request: dict[str, Any],
        text: str,
        finish_reason: str,
        usage: dict[str, Any],
        latency_s: float,
        send: Send,
    ) -> None:
        await _start(send, 200, b"application/json")
        for _ in range(KEEP_ALIVE_PARTS):
            await asyncio.sleep(latency_s / KEEP_ALIVE_PARTS)
            await _send(send, "\n")
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": finish_reason}
        answer = {"object": "chat.completion", "model": request["model"], "choices": [choice], "usage": usage}
        await _send(send, json.dumps(answer, ensure_ascii=False), more=False)

    def _complaint(self, request: dict[str, Any]) -> str:
        """Return what a request does wrong; "" when nothing."""
        mode = (request.get("response_format") or {"type": "text"})["type"]
        prompt = " ".join(str(message["content"]) for message in request["messages"])
        if mode not in self.options.json_modes:
            return f"This response_format type is unavailable now: {mode}"
        if "schema" in (request.get("response_format") or {}) and not self.options.knows_object_schema:
            return "response_format.schema: Extra inputs are not permitted"
        if mode == "json_object" and "json" not in prompt:
            return "Prompt must contain the word 'json' in some form to use 'response_format' of type 'json_object'."
        if self.options.deepseek and request["model"] not in MODELS:
            return "Model Not Exist"
        if not self.options.deepseek and {"thinking", "user_id"} & set(request):
            return "unknown field in request"
        if not isinstance(request.get("max_tokens"), int) or request["max_tokens"] < 1:
            return "Invalid max_tokens value"
        return ""

    def _usage(self, request: dict[str, Any], text: str) -> dict[str, Any]:
        """Return tokens, those of the prompt split into cache hits and misses by whole units of a known beginning."""
        prompt = "".join(f"<{message['role']}>{message['content']}" for message in request["messages"])
        unit = CACHE_UNIT_TOKENS * CHARACTERS_PER_TOKEN
        user, n_hit, hits = request.get("user_id", ""), 0, True
        digest = hashlib.sha256()
        for start in range(0, len(prompt) - unit + 1, unit):
            digest.update(prompt[start : start + unit].encode("utf-8", "replace"))
            entry = (user, digest.hexdigest())
            hits = hits and entry in self._cached
            n_hit += CACHE_UNIT_TOKENS if hits else 0
            self._cached.add(entry)
        n_prompt, n_completion = len(prompt) // CHARACTERS_PER_TOKEN, len(text) // CHARACTERS_PER_TOKEN
        return {
            "prompt_tokens": n_prompt,
            "prompt_cache_hit_tokens": n_hit,
            "prompt_cache_miss_tokens": n_prompt - n_hit,
            "completion_tokens": n_completion,
            "completion_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": n_prompt + n_completion,
        }

    async def _refuse(self, send: Send, status: int, said: str = "") -> None:
        error = {"message": said or _SAID[status], "type": "error", "code": status}
        await self._plain(send, status, {"error": error})

    async def _plain(self, send: Send, status: int, body: dict[str, Any]) -> None:
        await _start(send, status, b"application/json")
        await _send(send, json.dumps(body), more=False)


def _now_s() -> float:
    return asyncio.get_running_loop().time()


def conversation_digest(request: Mapping[str, Any]) -> str:
    """Return what was asked, as SHA-256 (hex): the same for equal conversations."""
    return hashlib.sha256(json.dumps(request["messages"]).encode()).hexdigest()


def _event(
    request: dict[str, Any],
    delta: dict[str, str],
    finish_reason: str | None = None,
    usage: dict[str, Any] | None = None,
) -> str:
    choice = {"index": 0, "delta": delta, "finish_reason": finish_reason}
    chunk = {"object": "chat.completion.chunk", "model": request["model"], "choices": [choice], "usage": usage}
    return f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"


async def _start(send: Send, status: int, content_type: bytes) -> None:
    await send({"type": "http.response.start", "status": status, "headers": [(b"content-type", content_type)]})


async def _send(send: Send, text: str, *, more: bool = True) -> None:
    await send({"type": "http.response.body", "body": text.encode("utf-8", "replace"), "more_body": more})
