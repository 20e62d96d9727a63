"""Recorded sessions with language-model servers: requests as they were sent, answers piece by piece as they came.

A cassette is a JSON file: ``server`` (what answered), ``base_url`` and ``exchanges``, each a ``request`` (path and
body) and a ``response`` (status, content type, pieces of text; ``dropped`` where the line broke). No cassette holds
a key: headers of requests are not recorded.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import httpx

FOLDER = Path(__file__).resolve().parents[1] / "cassettes"


@dataclass(kw_only=True)
class Exchange:
    """One request and its answer."""

    path: str
    body: dict[str, Any]
    status: int
    content_type: str
    pieces: list[str] = field(default_factory=list)
    dropped: bool = False


class Recorder(httpx.AsyncBaseTransport):
    """Hands requests on and keeps what goes by."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self._inner = inner
        self.exchanges: list[Exchange] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self._inner.handle_async_request(request)
        exchange = Exchange(
            path=request.url.path,
            body=json.loads(await request.aread()),
            status=response.status_code,
            content_type=response.headers.get("content-type", ""),
        )
        self.exchanges.append(exchange)
        assert isinstance(response.stream, httpx.AsyncByteStream)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=_Kept(response.stream, exchange), request=request
        )

    def save(self, name: str, server: str) -> None:
        """Write the cassette; characters of a piece that was cut within one are joined with the next piece."""
        FOLDER.mkdir(exist_ok=True)
        kept = {"server": server, "exchanges": [asdict(exchange) for exchange in self.exchanges]}
        (FOLDER / f"{name}.json").write_text(json.dumps(kept, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


class _Kept(httpx.AsyncByteStream):
    def __init__(self, inner: httpx.AsyncByteStream, exchange: Exchange) -> None:
        self._inner = inner
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        pending = b""
        try:
            async for piece in self._inner:
                pending += piece
                try:
                    self._exchange.pieces.append(pending.decode())
                    pending = b""
                except UnicodeDecodeError:
                    pass
                yield piece
        except httpx.HTTPError:
            self._exchange.dropped = True
            raise

    async def aclose(self) -> None:
        await self._inner.aclose()


class Player(httpx.AsyncBaseTransport):
    """Answers a session's requests as they were answered; ``pause_s`` lies between the pieces."""

    def __init__(self, name: str, pause_s: float = 0.0) -> None:
        kept = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))
        self.server: str = kept["server"]
        self.exchanges = [Exchange(**exchange) for exchange in kept["exchanges"]]
        self._left = list(self.exchanges)
        self._pause_s = pause_s

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer the first exchange left whose request is equal; raises ``LookupError`` where none is."""
        path, body = request.url.path, json.loads(await request.aread())
        for exchange in self._left:
            if (exchange.path, exchange.body) == (path, body):
                self._left.remove(exchange)
                headers = {"content-type": exchange.content_type}
                return httpx.Response(
                    exchange.status, headers=headers, stream=_Played(exchange, self._pause_s), request=request
                )
        raise LookupError(f"no exchange of the cassette begins with {json.dumps(body)[:200]}")


class _Played(httpx.AsyncByteStream):
    def __init__(self, exchange: Exchange, pause_s: float) -> None:
        self._exchange = exchange
        self._pause_s = pause_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._exchange.pieces:
            await asyncio.sleep(self._pause_s)
            yield piece.encode()
        if self._exchange.dropped:
            raise httpx.ReadError("the line was dropped")
