"""Choices of encoders that are kept: found again on this machine for these weights, and nowhere else."""

import json
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pipelines.core import ModelInfo
from pipelines.whisper.encoding.encoder import EncoderChoice
from pipelines.whisper.encoding.memory import FOLDER, EncoderMemory

INFO = ModelInfo(name="mini", sha256="ab" * 32, compute_type="int8", device="cpu")
CHOICE = EncoderChoice(encoder="openvino-int8", pooling=2, short_windows=True)

HOLDER = """
import sys
from pathlib import Path
from pipelines.core import ModelInfo
from pipelines.whisper.encoding.encoder import EncoderChoice
from pipelines.whisper.encoding.memory import EncoderMemory

path, sha256 = Path(sys.argv[1]), sys.argv[2]
info = ModelInfo(name="mini", sha256=sha256, compute_type="int8", device="cpu")
with EncoderMemory(path, info).held() as memory:
    print("held", flush=True)
    sys.stdin.readline()
    memory.remember(EncoderChoice(encoder="openvino-int8", pooling=2, short_windows=True))
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The user's cache, of this test alone."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


def kept_in(folder: Path) -> list[Path]:
    return sorted(folder.rglob("encoder-*.json"))


def test_a_choice_is_found_again(model: Path, cache: Path) -> None:
    """By another process too: it lies beside the model."""
    with EncoderMemory(model, INFO).held() as memory:
        assert memory.recall() is None
        memory.remember(CHOICE)
        assert memory.recall() == CHOICE
    assert EncoderMemory(model, INFO).recall() == CHOICE
    assert [path.parent for path in kept_in(model)] == [model / FOLDER]
    assert not cache.exists()


def test_a_later_choice_takes_its_place(model: Path) -> None:
    """There is one choice for a model on a machine."""
    memory = EncoderMemory(model, INFO)
    memory.remember(CHOICE)
    memory.remember(EncoderChoice())
    assert memory.recall() == EncoderChoice()
    assert len(kept_in(model)) == 1


def test_it_says_what_it_rests_on(model: Path) -> None:
    """Weights, number format, device, processor and versions can be read beside the choice."""
    EncoderMemory(model, INFO).remember(CHOICE)
    (path,) = kept_in(model)
    facts = json.loads(path.read_text())["facts"]
    assert (facts["weights"], facts["compute_type"], facts["device"]) == (INFO.sha256, "int8", "cpu")
    assert facts["processor"][0]
    assert set(facts["runtimes"]) == {"ctranslate2", "openvino", "torch"}
    assert all(facts["runtimes"].values())


@pytest.mark.parametrize(
    "other",
    [
        replace(INFO, sha256="cd" * 32),
        replace(INFO, compute_type="float32"),
        replace(INFO, device="cuda:0"),
    ],
    ids=["weights", "number format", "device"],
)
def test_other_models_have_their_own(model: Path, other: ModelInfo) -> None:
    """Nothing is taken over from weights, formats or devices that it was not tried with."""
    EncoderMemory(model, INFO).remember(CHOICE)
    assert EncoderMemory(model, other).recall() is None
    assert EncoderMemory(model, INFO).recall() == CHOICE


def test_gpus_of_a_machine_share_one(model: Path) -> None:
    """Which of its GPUs a replica has makes no difference, nor what the model is called."""
    EncoderMemory(model, replace(INFO, device="cuda:0")).remember(CHOICE)
    assert EncoderMemory(model, replace(INFO, device="cuda:1", name="other")).recall() == CHOICE


def test_what_is_set_has_its_own(model: Path) -> None:
    """What was chosen with it set says nothing about the choice without."""
    EncoderMemory(model, INFO, pooling=2).remember(CHOICE)
    EncoderMemory(model, INFO, windows="short").remember(CHOICE)
    assert EncoderMemory(model, INFO).recall() is None


def test_another_processor_tries_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder that several machines share has a choice for each kind of them."""
    EncoderMemory(model, INFO).remember(CHOICE)
    monkeypatch.setattr("pipelines.whisper.encoding.memory.processor_features", lambda: ("Old one", "avx2"))
    memory = EncoderMemory(model, INFO)
    assert memory.recall() is None
    memory.remember(EncoderChoice())
    assert memory.recall() == EncoderChoice()
    monkeypatch.undo()
    assert EncoderMemory(model, INFO).recall() == CHOICE


def test_another_version_tries_again(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A runtime that was updated may be faster, or hear otherwise."""
    EncoderMemory(model, INFO).remember(CHOICE)
    monkeypatch.setattr("pipelines.whisper.encoding.memory.version", lambda package: f"{package} 99")
    assert EncoderMemory(model, INFO).recall() is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"{}",
        b'{"choice": "torch"}',
        b'{"choice": {"encoder": "torch"}}',
        b'{"choice": {"encoder": "onnx", "pooling": 1}}',
        b'{"choice": {"encoder": "torch", "pooling": 0}}',
        b'{"choice": {"encoder": "torch", "pooling": "two"}}',
    ],
)
def test_a_damaged_file_is_no_choice(model: Path, content: bytes) -> None:
    """The trial is repeated, and its outcome takes the file's place."""
    memory = EncoderMemory(model, INFO)
    memory.remember(CHOICE)
    (path,) = kept_in(model)
    path.write_bytes(content)
    with memory.held():
        assert memory.recall() is None
        memory.remember(CHOICE)
    assert EncoderMemory(model, INFO).recall() == CHOICE


def test_a_model_that_cannot_be_written_beside_uses_the_cache(model: Path, cache: Path) -> None:
    """Weights in an image or on a share are read-only: the user's cache keeps the choice."""
    (model / FOLDER).write_text("something else has the name")
    with EncoderMemory(model, INFO).held() as memory:
        assert memory.recall() is None
        memory.remember(CHOICE)
    assert EncoderMemory(model, INFO).recall() == CHOICE
    assert len(kept_in(cache)) == 1


def test_a_folder_of_somebody_else_is_left_alone(model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the folder is there and may only be read, the cache takes its place."""
    monkeypatch.setattr("pipelines.whisper.encoding.memory.os.access", lambda *_: False)
    EncoderMemory(model, INFO).remember(CHOICE)
    assert EncoderMemory(model, INFO).recall() == CHOICE
    assert (len(kept_in(model)), len(kept_in(cache))) == (0, 1)


def test_where_nothing_can_be_written_each_start_tries(
    model: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A container without any writable folder starts all the same, and chooses each time."""
    (model / FOLDER).write_text("something else has the name")
    cache.write_text("no folder either")
    with EncoderMemory(model, INFO).held() as memory:
        assert memory.recall() is None
        memory.remember(CHOICE)
    assert EncoderMemory(model, INFO).recall() is None


@pytest.fixture
def other_process(model: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that holds the memory, and chooses when it is written to."""
    command = [sys.executable, "-c", HOLDER, str(model), INFO.sha256]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_a_second_process_waits_and_finds_the_firsts_choice(model: Path, other_process: subprocess.Popen[str]) -> None:
    """Replicas that start together try once between them, and agree."""

    def choose() -> EncoderChoice | None:
        with EncoderMemory(model, INFO).held() as memory:
            return memory.recall()

    with ThreadPoolExecutor(1) as pool:
        second = pool.submit(choose)
        with pytest.raises(TimeoutError):
            second.result(timeout=0.3)
        other_process.communicate("choose\n")
        assert second.result() == CHOICE


def test_a_process_that_dies_holds_nothing(model: Path, other_process: subprocess.Popen[str]) -> None:
    """A replica that is killed during its trial does not keep the others waiting."""
    other_process.kill()
    other_process.wait()
    with EncoderMemory(model, INFO).held() as memory:
        assert memory.recall() is None


def test_a_trial_that_fails_holds_nothing(model: Path) -> None:
    """An error on the way lets the next one try."""
    with pytest.raises(RuntimeError, match="lost"), EncoderMemory(model, INFO).held():
        raise RuntimeError("the device was lost")
    with EncoderMemory(model, INFO).held() as memory:
        assert memory.recall() is None
