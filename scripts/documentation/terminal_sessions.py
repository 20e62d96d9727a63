"""What the command line shows: sessions against an endpoint with made-up answers, for docs/cli.md.

The commands are the real ones; only the endpoint's answers and the ledger's sums are made up, so that each run gives
the same text. Terminals are consoles of a fixed width without colours.
"""

import contextlib
import io
import os
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import httpx

from cluster.cli import main as program
from cluster.cli import report
from cluster.lifecycle import detached, running_cluster
from pipelines.codec import encode
from pipelines.core import ModelInfo, Segment, Transcript, Usage
from pipelines.jobs.costs import JobCost
from pipelines.jobs.usage import JobUsage
from pipelines.notes import Note, NoteCode

URL = "http://memo.example:8000"
TERMINALS = (80, 200)
WRONG = "http:\n  port: many\nmodels:\n  - nam: base\nauth:\n  mode: doors\n"


INTRODUCTION = """\
Each list fits its terminal, and nothing is ever cut: where whole ids have no room they are shortened to what tells them
apart, which every command takes; where a table has no room each row becomes lines of its own. In a pipe there is a line
for each row, tabs between, ids whole. `--json` gives all that there is. Progress, warnings and errors go to stderr.
[All commands](reference/cli.md). The endpoint's answers on this page are made up; the demo is what
`scripts/demo` runs."""


def cli_page() -> str:
    """Return docs/cli.md."""
    return "\n".join(_lines()).replace("\n\n\n", "\n\n").rstrip("\n") + "\n"


def _lines() -> Iterator[str]:
    yield "<!-- Made by scripts/make-reference from the commands themselves. -->"
    yield ""
    yield "# What the command line shows"
    yield ""
    yield INTRODUCTION
    with _stage():
        for heading, commands in _sessions():
            yield from ("", f"## {heading}", "")
            for width, command in commands:
                place = "in a pipe" if width is None else f"{width} columns"
                text, code = _shown(command, width)
                ending = f"\n(exit code {code})" if code else ""
                yield f"`{command}`, {place}:"
                yield from ("", "```text", (text.rstrip("\n") + ending) or "(nothing)", "```", "")


def _sessions() -> Iterator[tuple[str, list[tuple[int | None, str]]]]:
    every = (*TERMINALS, None)
    yield (
        "A first file of settings, and one with faults",
        [
            (80, "meetmemo init laptop --out first.yaml"),
            (80, "meetmemo config check first.yaml"),
            (80, "meetmemo config check wrong.yaml"),
        ],
    )
    yield (
        "The demo",
        [
            (width, command)
            for width in every
            for command in (
                "meetmemo up --detach",
                "meetmemo transcribe --out demo-output meeting-3min.flac",
                "meetmemo transcribe --out demo-output --channels split call-stereo.opus",
                "meetmemo down",
            )
        ],
    )
    yield "A start that fails", [(width, "meetmemo up --config wrong.yaml") for width in every]
    yield (
        "Recordings",
        [
            (80, f"meetmemo transcribe call.mp3 torn.mp3 --url {URL}"),
            (80, f"meetmemo transcribe call.mp3 --model nosuch --url {URL}"),
            (80, f"meetmemo transcribe call.mp3 --language klingon --url {URL}"),
        ],
    )
    yield (
        "Jobs",
        [(width, f"meetmemo jobs list --url {URL}") for width in every]
        + [
            (80, f"meetmemo jobs cancel 01a22935440 --url {URL}"),
            (80, f"meetmemo jobs show 01a2 --url {URL}"),
        ],
    )
    yield (
        "Batches",
        [(width, f"meetmemo batch list --url {URL}") for width in every]
        + [(80, f"meetmemo batch status 01a2293544aa77 --url {URL}")],
    )
    yield "What jobs took", [(width, "meetmemo report --since 2026-11-01") for width in every]


def _shown(command: str, width: int | None) -> tuple[str, int]:
    """Run a command as in a terminal of that width (None: in a pipe); return what it writes, and its exit code."""
    written = io.StringIO()
    for console in (program.console, program.errors):
        console._force_terminal, console._color_system = width is not None, None
        console.width = width or 80
    program.errors._force_terminal = False  # a bar that moves is no text
    code: Any = 0
    with (
        contextlib.redirect_stdout(written),
        contextlib.redirect_stderr(written),
        patch.object(sys, "argv", shlex.split(command)),
        patch.dict(os.environ, {"COLUMNS": str(width or 80), "TERM": "xterm", "NO_COLOR": "1"}),
    ):
        try:
            program.main()
        except SystemExit as end:
            code = end.code or 0
    return "\n".join(line.rstrip() for line in written.getvalue().splitlines()) + "\n", int(code)


@contextlib.contextmanager
def _stage() -> Iterator[None]:
    """Answer requests and sum costs as made up, in an empty folder with some files."""
    before = Path.cwd()
    consoles = [(console, vars(console).copy()) for console in (program.console, program.errors)]
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            for name in ("call.mp3", "torn.mp3", *(job["filename"] for job in DEMO)):
                Path(name).write_bytes(b"ID3")
            Path("wrong.yaml").write_text(WRONG)
            environment = {name: value for name, value in os.environ.items() if not name.startswith("MEETMEMO_")}
            with (
                patch.object(httpx.AsyncHTTPTransport, "handle_async_request", _answer),
                patch.object(report, "costs_since", lambda ledger, since_s: COSTS),
                patch.object(detached, "start_detached", lambda settings, arguments: RUNNING),
                patch.object(running_cluster, "find_running", lambda settings: RUNNING),
                patch.object(running_cluster, "stop_running", lambda running, drain_s: True),
                patch.dict(os.environ, environment | {"MEETMEMO_HOME": f"{folder}/home"}, clear=True),
            ):
                yield
        finally:
            os.chdir(before)
            for console, state in consoles:
                vars(console).update(state)


def _job(number: int, filename: str, state: str, seconds: float, **more: Any) -> dict[str, Any]:
    job_id = f"01a2293544{number}a{chr(ord('c') + number)}{'4f' * 9}"[:32].ljust(32, "0")
    return {
        "id": job_id,
        "filename": filename,
        "state": state,
        "reason": None,
        "detail": "",
        "notes": [],
        "created_at": f"2026-11-29T21:2{number}:07+00:00",
        "progress": {"audio_s": seconds, "done_s": seconds if state == "succeeded" else 0.0},
        "results": {},
        **more,
    }


LIKE_NOTHING = Note(code=NoteCode.UNLIKE_TRAINING, values={"model": "mini-en"})
JOBS = [
    _job(2, "Weekly meeting of the whole team, room 3.m4a", "transcribing", 3723.0),
    _job(1, "torn.mp3", "failed", 0.0, reason="corrupt_audio", detail="nothing in it can be decoded"),
    _job(
        0,
        "call.mp3",
        "succeeded",
        83.6,
        notes=[{"code": LIKE_NOTHING.code, "text": LIKE_NOTHING.text}],
        results={"transcript.json": "/v1/jobs/0/results/transcript.json"},
    ),
]
DEMO = [
    _job(
        number,
        filename,
        "succeeded",
        seconds,
        results={"transcript.json": f"/v1/jobs/{number}/results/transcript.json"},
    )
    for number, filename, seconds in ((7, "meeting-3min.flac", 185.2), (8, "call-stereo.opus", 167.2))
]
OPTIONS = {"model": {"enum": ["mini-en"]}, "language": {}, "channels": {"enum": ["mix", "split"]}}
RUNNING = running_cluster.RunningCluster(pid=4711, url=URL, log="home/run/cluster.log", started="")
BATCHES = [
    {
        "id": f"01a2293544aa77{'3b' * 9}",
        "name": "calls of November",
        "state": "running",
        "finished": True,
        "n_entries": 9,
        "counts": {"failed": 1, "succeeded": 8},
        "estimate": None,
        "created_at": "2026-11-29T21:20:00+00:00",
    }
]
ENTRY = {
    "seq": 4,
    "custom_id": "2026-11-03/torn.mp3",
    "filename": "torn.mp3",
    "source": None,
    "state": "failed",
    "reason": "corrupt_audio",
    "detail": "nothing in it can be decoded",
}
COSTS = [
    JobCost(
        tenant=tenant,
        model="base",
        created_at_s=0.0,
        failed=failed,
        audio_s=hours * 3600,
        source_bytes=int(hours * 57_600_000),
        usage=JobUsage(device_s=hours * 90, cpu_s=hours * 40, result_bytes=int(hours * 400_000)),
        tokens=Usage(n_calls=3, n_prompt=int(hours * 12_000), n_completion=900, cost_usd=hours * 0.0123),
    )
    for tenant, hours, failed in (("default", 1240.5, False), ("default", 0.0, True), ("support", 96.25, False))
]
TRANSCRIPT = Transcript(
    duration_s=83.6,
    language="en",
    languages=(),
    segments=(Segment(id=0, channel=0, speaker="", start_s=0.0, end_s=2.0, text="Ensy all my ballamaga."),),
    coverage=(),
    model=ModelInfo(name="mini-en"),
    n_channels=1,
    notes=(LIKE_NOTHING,),
)


async def _answer(transport: object, request: httpx.Request) -> httpx.Response:
    """Answer as an endpoint with these jobs and batches does."""
    path = request.url.path
    if request.method == "POST" and path == "/v1/jobs":
        async for _ in request.stream:  # type: ignore[union-attr]  # an upload's
            pass
        found = next(job for job in (*JOBS, *DEMO) if job["filename"] == request.headers["x-filename"])
        return httpx.Response(202, json=found | {"state": "queued"})
    if path.endswith("transcript.json"):
        clean = any(path == job["results"]["transcript.json"] for job in DEMO)
        return httpx.Response(200, content=encode(replace(TRANSCRIPT, notes=()) if clean else TRANSCRIPT))
    if path == "/v1/choices":
        return httpx.Response(200, json={"options": OPTIONS})
    for kind, items, hidden in (("jobs", JOBS, DEMO), ("batches", BATCHES, [])):
        if path == f"/v1/{kind}":
            prefix = request.url.params.get("id", "")
            return httpx.Response(200, json={kind: [item for item in items if item["id"].startswith(prefix)]})
        for item in (*items, *hidden):
            if path == f"/v1/{kind}/{item['id']}":
                return httpx.Response(200, json=item)
    return httpx.Response(200, json={"entries": [ENTRY], "next_after": None})
