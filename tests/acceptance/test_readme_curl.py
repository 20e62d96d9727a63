"""The curl commands of README and user guide, run as they stand: only names of files and the job's id are filled in."""

import json
import re
import shlex
import subprocess
from pathlib import Path

from tests.acceptance.conftest import RunningMeetMemo
from tests.support.recordings import RECORDINGS

ROOT = Path(__file__).parents[2]
SAMPLES = {"meeting.m4a": "short.m4a", "call.wav": "call-8khz-ulaw.wav"}


def commands(page: str, heading: str) -> list[str]:
    """The commands of the first block below a heading, continued lines joined, comments dropped."""
    section = (ROOT / page).read_text(encoding="utf-8").split(f"## {heading}\n", 1)[1]
    block = re.search(r"```sh\n(.*?)```", section, re.DOTALL)
    assert block is not None
    lines = block.group(1).replace("\\\n", " ").splitlines()
    return [line.split("  #")[0].strip() for line in lines]


def test_the_readme_and_the_guide_begin_alike() -> None:
    """The one request that the README shows is the first of the guide, which is run below."""
    (only,) = commands("README.md", "One request")
    assert only == commands("docs/using.md", "Over HTTP")[0]


def test_what_the_guide_says_works(meetmemo: RunningMeetMemo, tmp_path: Path) -> None:
    """Every command succeeds; the first one's job is followed, fetched and removed by the others."""
    for name, sample in SAMPLES.items():
        (tmp_path / name).write_bytes((RECORDINGS / sample).read_bytes())
    said: list[str] = []
    for command in commands("docs/using.md", "Over HTTP"):
        job_id = json.loads(said[0])["id"] if said else ""
        words = shlex.split(command.replace("http://127.0.0.1:8000", meetmemo.url).replace("/ID", f"/{job_id}"))
        assert words[0] == "curl"
        done = subprocess.run(
            ["curl", "--fail", "--silent", "--show-error", *words[1:]],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
        said.append(done.stdout)
    assert len(said) == 7
    assert '"state":"succeeded"' in said[4].replace(" ", "")
    assert (tmp_path / "minutes.docx").read_bytes()[:2] == b"PK"
