"""A small client of MeetMemo's own HTTP API, for the command line."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from cluster.settings.secrets import CLIENT_KEY, read_secret
from cluster.settings.sources import process_environment
from pipelines.errors import MeetMemoError, OptionError, Reason

FINAL_STATES = frozenset({"succeeded", "failed", "cancelled"})
ID_DIGITS = 32
"""Digits of the id of a job or a batch (`pipelines.ids`)."""

_BLOCK = 1 << 20
_TIMEOUT = httpx.Timeout(connect=5.0, read=120.0, write=120.0, pool=None)


class ApiError(MeetMemoError):
    """The endpoint refused a request, or did not answer; the text says why, ``reason`` is the server's."""

    def __init__(self, detail: str, reason: str = Reason.INTERNAL, status: int = 0) -> None:
        super().__init__(detail, reason, status)
        self.code = reason
        self.status = status


class Client:
    """Talks to one endpoint; use it as an async context manager. Every method raises `ApiError`.

    Sends the key that MEETMEMO_API_KEY holds, or the file that MEETMEMO_API_KEY_FILE names, where there is one.
    """

    def __init__(self, url: str, transport: httpx.AsyncBaseTransport | None = None) -> None:
        self.url = url
        key = read_secret(CLIENT_KEY, process_environment())
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        self._http = httpx.AsyncClient(base_url=url, timeout=_TIMEOUT, transport=transport, headers=headers)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    async def submit(
        self, path: Path, options: Mapping[str, str | Sequence[str]], key: str | None = None
    ) -> dict[str, Any]:
        """Upload a file as a new job; ``options`` are those of ``POST /v1/jobs``, ``key`` makes repeating harmless."""
        n_bytes = (await asyncio.to_thread(path.stat)).st_size
        headers = {
            "Content-Type": "application/octet-stream",
            "Content-Length": str(n_bytes),
            "X-Filename": quote(path.name),
            **({"Idempotency-Key": key} if key else {}),
        }
        return await self._json("POST", "/v1/jobs", params=options, headers=headers, content=_read(path))

    async def job(self, job_id: str) -> dict[str, Any]:
        """Return one job."""
        return await self._json("GET", f"/v1/jobs/{quote(job_id)}")

    async def jobs(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return one page of jobs."""
        return await self._json("GET", "/v1/jobs", params=params)

    async def search(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return one page of hits."""
        return await self._json("GET", "/v1/search", params=params)

    async def review(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return one page of the review queue."""
        return await self._json("GET", "/v1/review", params=params)

    async def mark_reviewed(self, item_id: str, *, done: bool = True) -> dict[str, Any]:
        """Mark an item of the review queue as done, or take the mark back; return the item."""
        return await self._json("PUT" if done else "DELETE", f"/v1/review/{quote(item_id, safe='')}/done")

    async def rebuild_search(self) -> dict[str, Any]:
        """Have the search index rebuilt; return how many jobs are to be indexed."""
        return await self._json("POST", "/v1/admin/search/rebuild")

    async def whole_id(self, kind: str, prefix: str) -> str:
        """Return the id of the one job or batch (``jobs``, ``batches``) that begins so, ``prefix`` where none does.

        Raises `OptionError` where several do.
        """
        if len(prefix) >= ID_DIGITS or not prefix:
            return prefix
        found = [
            item["id"] for item in (await self._json("GET", f"/v1/{kind}", params={"id": prefix, "limit": 2}))[kind]
        ]
        if len(found) > 1:
            raise OptionError(f"several {kind} have an id that begins with {prefix}: give more of it")
        return found[0] if found else prefix

    async def choices(self) -> dict[str, Any]:
        """Return what a job may choose here."""
        return await self._json("GET", "/v1/choices")

    async def batches(self, limit: int) -> dict[str, Any]:
        """Return the newest batches."""
        return await self._json("GET", "/v1/batches", params={"limit": limit})

    async def transcript(self, job: Mapping[str, Any]) -> dict[str, Any]:
        """Return the transcript of a job that has succeeded, as JSON has it."""
        return await self._json("GET", job["results"]["transcript.json"])

    async def cancel(self, job_id: str, *, purge: bool = False) -> dict[str, Any]:
        """Cancel a job, also for others whose equal requests share it, or remove everything of it."""
        params = {"purge": "true"} if purge else {"everyone": "true"}
        return await self._json("DELETE", f"/v1/jobs/{quote(job_id)}", params=params)

    async def quarantine(self, max_jobs: int) -> dict[str, Any]:
        """Return the chunks in quarantine, of at most so many jobs."""
        return await self._json("GET", "/v1/quarantine", params={"limit": max_jobs})

    async def replay(self, job_id: str, chunks: Sequence[int]) -> dict[str, Any]:
        """Decode a job's chunks in quarantine (none named: all) again; return the new job."""
        body = {"chunks": list(chunks)} if chunks else {}
        return await self._json("POST", f"/v1/jobs/{quote(job_id)}/replay", json=body)

    async def enrol_voice(self, fields: Mapping[str, str], clip: Path | None = None) -> dict[str, Any]:
        """Enrol a voice from a clip, or from a job that ``fields`` name; return its profile."""
        parts: dict[str, Any] = {name: (None, value) for name, value in fields.items()}
        if clip is not None:
            parts["file"] = (clip.name, await asyncio.to_thread(clip.read_bytes))
        return await self._json("POST", "/v1/voices", files=parts)

    async def voices(self) -> dict[str, Any]:
        """Return all voice profiles."""
        return await self._json("GET", "/v1/voices")

    async def delete_voice(self, voice_id: str) -> dict[str, Any]:
        """Delete a voice profile; return the receipt."""
        return await self._json("DELETE", f"/v1/voices/{quote(voice_id, safe='')}")

    async def audit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return one page of the audit log."""
        return await self._json("GET", "/v1/audit", params=params)

    async def check_audit(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return whether the audit log is whole."""
        return await self._json("GET", "/v1/audit/check", params=params)

    async def hold_job(self, job_id: str, body: Mapping[str, Any]) -> dict[str, Any]:
        """Place a legal hold on a job; return the hold."""
        return await self._json("PUT", f"/v1/jobs/{quote(job_id)}/hold", json=body)

    async def release_job(self, job_id: str, reason: str) -> dict[str, Any]:
        """End a job's own legal hold; return it."""
        return await self._json("DELETE", f"/v1/jobs/{quote(job_id)}/hold", params={"reason": reason})

    async def place_hold(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Place a legal hold by batch, external id or metadata; return it."""
        return await self._json("POST", "/v1/holds", json=body)

    async def holds(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return legal holds."""
        return await self._json("GET", "/v1/holds", params=params)

    async def release_hold(self, hold_id: str, reason: str) -> dict[str, Any]:
        """End a legal hold; return it."""
        return await self._json("DELETE", f"/v1/holds/{quote(hold_id, safe='')}", params={"reason": reason})

    async def receipts(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return one page of receipts of deletions."""
        return await self._json("GET", "/v1/receipts", params=params)

    async def receipt(self, receipt_id: str) -> dict[str, Any]:
        """Return a receipt of a deletion."""
        return await self._json("GET", f"/v1/receipts/{quote(receipt_id, safe='')}")

    async def rewrite(self, job_id: str, overrides: Mapping[str, Any]) -> dict[str, Any]:
        """Have a job's minutes written anew with other options; return the new job."""
        return await self._json("POST", f"/v1/jobs/{quote(job_id)}/minutes", json=overrides)

    async def minutes_versions(self, job_id: str) -> dict[str, Any]:
        """Return all jobs that wrote minutes of the same recording, oldest first."""
        return await self._json("GET", f"/v1/jobs/{quote(job_id)}/minutes")

    async def redo(self, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Have a stage of several jobs done again, or tell what that takes; return it by job."""
        return await self._json("POST", "/v1/redo", json=body, headers={"Idempotency-Key": key})

    async def submit_batch(self, body: Mapping[str, Any], key: str) -> dict[str, Any]:
        """Submit a batch by reference or with its entries inline."""
        return await self._json("POST", "/v1/batches", json=body, headers={"Idempotency-Key": key})

    async def submit_manifest(
        self, manifest: Path | bytes, params: Mapping[str, str | Sequence[str]], key: str
    ) -> dict[str, Any]:
        """Submit a batch by its manifest, a file or text with a JSON object per line."""
        headers = {"Content-Type": "application/x-ndjson", "Idempotency-Key": key}
        content = manifest if isinstance(manifest, bytes) else _read(manifest)
        return await self._json("POST", "/v1/batches", params=params, headers=headers, content=content)

    async def batch(self, batch_id: str, move: str = "") -> dict[str, Any]:
        """Return one batch, after ``pause``, ``resume``, ``cancel`` or ``retry`` where that is asked for."""
        path = f"/v1/batches/{quote(batch_id)}"
        return await self._json("POST", f"{path}/{move}") if move else await self._json("GET", path)

    async def batch_entries(self, batch_id: str, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return one page of a batch's entries."""
        return await self._json("GET", f"/v1/batches/{quote(batch_id)}/entries", params=params)

    async def upload_entry(self, batch_id: str, seq: int, path: Path) -> dict[str, Any]:
        """Upload the recording of a batch's entry."""
        headers = {"Content-Type": "application/octet-stream"}
        return await self._json(
            "PUT", f"/v1/batches/{quote(batch_id)}/entries/{seq}", headers=headers, content=_read(path)
        )

    async def estimate(self, audio_s: Sequence[float], options: Mapping[str, Any]) -> dict[str, Any]:
        """Return what recordings of these lengths would take."""
        return await self._json("POST", "/v1/estimate", json={"audio_s": list(audio_s), "options": dict(options)})

    async def capacity(self, hours: float) -> dict[str, Any]:
        """Return how much the cluster has to do, and what a job of so many hours would wait."""
        return await self._json("GET", "/v1/capacity", params={"hours": hours})

    async def deliveries(self, job_id: str | None, params: Mapping[str, Any]) -> dict[str, Any]:
        """Return a job's webhooks and e-mails with their attempts, or the newest of all jobs."""
        path = f"/v1/jobs/{quote(job_id)}/deliveries" if job_id else "/v1/deliveries"
        return await self._json("GET", path, params=params)

    async def redeliver(self, job_id: str, delivery_id: str) -> dict[str, Any]:
        """Have a webhook or an e-mail delivered again."""
        return await self._json("POST", f"/v1/jobs/{quote(job_id)}/deliveries/{quote(delivery_id)}/replay")

    async def parked_minutes(self, *, resume: bool = False) -> dict[str, Any]:
        """Return how many jobs wait for their minutes, and why; ``resume`` has them written now."""
        method, path = ("POST", "/v1/admin/minutes/resume") if resume else ("GET", "/v1/admin/minutes")
        return await self._json(method, path)

    async def story(self, job_id: str) -> dict[str, Any]:
        """Return what happened to a job lately, and why."""
        return await self._json("GET", f"/v1/admin/jobs/{quote(job_id)}/story")

    async def drain(self, *, refuse: bool = False) -> dict[str, Any]:
        """Begin to drain; return the number of live jobs."""
        return await self._json("POST", "/v1/admin/drain", params={"refuse": str(refuse).lower()})

    async def drain_status(self) -> dict[str, Any]:
        """Return whether the cluster drains, and the number of live jobs; changes nothing."""
        return await self._json("GET", "/v1/admin/drain")

    async def end_drain(self) -> dict[str, Any]:
        """Begin jobs again."""
        return await self._json("DELETE", "/v1/admin/drain")

    async def ready(self) -> dict[str, Any]:
        """Return ``/readyz``, whether it is ready or not."""
        try:
            answer = await self._http.get("/readyz")
        except httpx.HTTPError as error:
            raise ApiError(f"{self.url} does not answer: {error or type(error).__name__}") from None
        components: dict[str, Any] = answer.json()
        return components

    async def save_result(self, url: str, path: Path) -> None:
        """Download a result to a file, whole or not at all."""
        await self._save(path, "GET", url)

    async def save_export(self, body: Mapping[str, Any], path: Path) -> None:
        """Download an export of a person's data to a file, whole or not at all."""
        await self._save(path, "POST", "/v1/exports", json=body)

    async def _save(self, path: Path, method: str, url: str, **request: Any) -> None:
        temporary = path.with_name(path.name + ".part")
        try:
            async with self._http.stream(method, url, **request) as answer:
                if answer.is_error:
                    await answer.aread()
                    raise _refusal(answer)
                with temporary.open("wb") as file:
                    async for block in answer.aiter_bytes():
                        file.write(block)
        except httpx.HTTPError as error:
            raise ApiError(f"{self.url} does not answer: {error or type(error).__name__}") from None
        temporary.replace(path)

    async def _json(self, method: str, path: str, **request: Any) -> dict[str, Any]:
        try:
            answer = await self._http.request(method, path, **request)
        except httpx.HTTPError as error:
            raise ApiError(f"{self.url} does not answer: {error or type(error).__name__}") from None
        if answer.is_error:
            raise _refusal(answer)
        body: dict[str, Any] = answer.json()
        return body


async def _read(path: Path) -> AsyncIterator[bytes]:
    with path.open("rb") as file:
        while block := file.read(_BLOCK):
            yield block


def _refusal(answer: httpx.Response) -> ApiError:
    try:
        problem = answer.json()
    except ValueError:
        problem = {}
    detail = problem.get("detail") or problem.get("title") or f"HTTP {answer.status_code}"
    return ApiError(detail, problem.get("reason", Reason.INTERNAL), answer.status_code)
