"""What the cluster writes and shows holds none of the secrets it was started with, nor a client's key."""

import base64
import re
from pathlib import Path

import httpx

from tests.acceptance.conftest import SECRETS, RunningMeetMemo
from tests.chaos.processes import in_sessions


def test_no_secret_is_written_or_shown(meetmemo: RunningMeetMemo) -> None:
    """After requests and jobs that used the secrets, also in vain: not in Ray's logs, the home, the store, answers."""
    made = meetmemo.cli("keys", "create", "--tenant", "acme", "--scope", "jobs:read")
    assert made.returncode == 0, made.stderr
    hidden = {**SECRETS, "key": made.stdout.split()[-1]}
    assert len(hidden["key"]) > 40

    answers = []
    for sent in (hidden["key"], hidden["metrics"], f"{hidden['key']}x"):
        for path in ("/v1/jobs", "/metrics", "/readyz", "/openapi.json", "/v1/jobs/nothing", "/v1/choices"):
            headers = {"authorization": f"Bearer {sent}"}
            answers.append(httpx.get(meetmemo.url + path, headers=headers, timeout=60).text)
    with_model = meetmemo.submit("short.mp3", minutes="llm")["id"]
    pulled = httpx.post(
        f"{meetmemo.url}/v1/jobs", json={"source": "https://recordings.invalid/files/a.wav"}, timeout=60
    ).json()["id"]
    answers += [str(meetmemo.finished(job_id)) for job_id in (with_model, pulled)]
    shown = [meetmemo.cli(*words) for words in (["config", "show"], ["config", "serve"], ["status"], ["doctor"])]
    answers += [done.stdout + done.stderr for done in shown]

    logs = _ray_logs(meetmemo)
    written = {
        path: path.read_bytes() for folder in (logs, meetmemo.home) for path in folder.rglob("*") if path.is_file()
    }
    of_replicas = b"".join(content for path, content in written.items() if path.is_relative_to(logs))
    for job_id in (with_model, pulled):
        assert job_id.encode() in of_replicas, "these are not the logs of the cluster's replicas"
    for name, secret in hidden.items():
        for form in (secret, base64.b64encode(secret.encode()).decode().rstrip("=")):
            assert not [path for path, content in written.items() if form.encode() in content], name
            assert not [answer for answer in answers if form in answer], name
    for job_id in (with_model, pulled):
        httpx.delete(f"{meetmemo.url}/v1/jobs/{job_id}?purge=true", timeout=60).raise_for_status()


def _ray_logs(meetmemo: RunningMeetMemo) -> Path:
    """The folder that Ray's processes of this cluster write their logs to."""
    assert meetmemo.process is not None
    lines = [process.title for process in in_sessions({meetmemo.process.pid})]
    found = {match.group(1) for line in lines if (match := re.search(r"--log[-_]dir[= ](\S+)", line))}
    assert len(found) == 1, lines
    return Path(found.pop())
