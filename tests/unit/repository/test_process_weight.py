"""What a fresh interpreter loads: libraries of media, documents and models come with the work that needs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

MEDIA = {"av", "pydub"}
DOCUMENTS = {"reportlab", "docx", "jinja2", "markdown_it", "opencc"}
MODELS = {"torch", "ctranslate2"}
HEAVY = MEDIA | DOCUMENTS | MODELS

# With these modules `cluster.serve.coordinator.CoordinatorReplica` makes a Coordinator and its collaborators.
COORDINATOR = (
    *(
        "deployments.coordinator.coordinator",
        "deployments.handles",
        "deployments.retention.housekeeping",
        "deployments.telemetry.counters",
    ),
    *(
        "cluster.wiring.notifications",
        "cluster.settings.settings",
        "cluster.serve.deployment_versions",
        "cluster.serve.engine_share",
        "cluster.wiring.logging",
    ),
    *(
        "cluster.serve.loopback",
        "pipelines.models.catalogue",
        "pipelines.ledger.protocol",
        "pipelines.ledger.sql_batches",
        "pipelines.storage.open",
    ),
)


def loaded_by(program: str) -> set[str]:
    """Run a program in a new interpreter; return which of `HEAVY` it has loaded in the end."""
    told = f"{program}\nimport sys\nprint(*(set({sorted(HEAVY)!r}) & sys.modules.keys()))"
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", told],
        capture_output=True,
        text=True,
        check=True,
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    return set(done.stdout.split())


def importing(*modules: str) -> str:
    return "\n".join(f"import {module}" for module in modules)


def test_the_coordinator() -> None:
    """It decides and stitches; it decodes nothing, prints nothing, converts nothing until it must."""
    assert loaded_by(importing("deployments.coordinator.coordinator")) == set()


def test_what_a_replica_of_the_coordinator_opens() -> None:
    """Settings, handles, ledger, store and notices bring none of it either."""
    assert loaded_by(importing(*COORDINATOR)) == set()


@pytest.mark.parametrize(
    "actor",
    [
        "deployments.http.app",
        "deployments.workers.transcriber",
        "deployments.workers.minutes_writer",
        "deployments.workers.diarizer",
    ],
)
def test_the_other_actors_that_decode_nothing(actor: str) -> None:
    """They load what they print with, or cut excerpts with, when they do so; the networks of Transcribers and Diarizers
    come later.
    """
    assert loaded_by(importing(actor)) == set()


def test_the_segmenter() -> None:
    """It decodes, and needs nothing else."""
    assert loaded_by(importing("deployments.workers.segmenter")) == {"av"}


@pytest.mark.parametrize(
    ("replica", "needed"),
    [
        ("coordinator", set()),
        ("segmenter", {"av"}),
        ("transcriber", set()),
        ("minutes_writer", set()),
        ("diarizer", set()),
        ("ingestion", set()),
    ],
)
def test_a_process_of_a_replica(replica: str, needed: set[str]) -> None:
    """Serve unpickles a replica's class from a module of its own, which loads no other actor's libraries."""
    assert loaded_by(importing("cluster.serve." + replica)) == needed


def test_the_command_line() -> None:
    """`meetmemo --help` waits for none of them."""
    assert loaded_by(importing("cluster.cli.main")) == set()


@pytest.mark.parametrize(
    "module",
    [
        "pipelines.transcript.stitching",
        "pipelines.transcript.coverage",
        "pipelines.transcript.chunk_clock",
        "pipelines.export.subtitles",
        "pipelines.scheduling.fair_queue",
        "pipelines.whisper.options",
    ],
)
def test_arithmetic_on_samples(module: str) -> None:
    """Modules that only count samples need no decoder for the sampling rate."""
    assert loaded_by(importing(module)) == set()


@pytest.mark.parametrize(
    ("name", "needed"),
    [("transcript.srt", set()), ("minutes.md", set()), ("minutes.docx", {"docx"}), ("minutes.pdf", {"reportlab"})],
)
def test_a_document_brings_its_library(name: str, needed: set[str]) -> None:
    """Each format loads its own library and none of the others'."""
    program = (
        "from pipelines.core import Minutes, ModelInfo, Transcript\n"
        "from pipelines.export.render import render\n"
        "parts = dict(language='en', languages=(), segments=(), coverage=(), model=ModelInfo(name='m'))\n"
        "minutes = Minutes(title='', language='en', writer='extractive', model='', summary='')\n"
        f"render({name!r}, Transcript(duration_s=5.0, **parts), minutes, 'recording')\n"
    )
    assert loaded_by(program) == needed


def test_a_conversion_brings_its_library() -> None:
    """Chinese in the other characters loads the tables for it; other languages do not."""
    program = (
        "from pipelines.core import ModelInfo, Transcript\n"
        "from pipelines.text.chinese import in_script\n"
        "parts = dict(duration_s=5.0, languages=(), segments=(), coverage=(), model=ModelInfo(name='m'))\n"
        "in_script(Transcript(language={!r}, **parts), 'simplified')\n"
    )
    assert loaded_by(program.format("en")) == set()
    assert loaded_by(program.format("zh")) == {"opencc"}
