"""A start finds out whether this machine's GPUs can be used, before Ray counts them."""

import sys

import pytest

from cluster.lifecycle import gpus
from cluster.lifecycle.gpus import gpus_to_count
from cluster.settings.sections import ModelSettings, RaySettings
from cluster.settings.settings import Settings

LEFT_TO_RAY = None


@pytest.fixture
def said() -> list[str]:
    return []


def checks(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """Stand for the check: some lines, and an exit code."""
    program = f"import sys; print('CTranslate2: libcublas.so.12 does not load'); sys.exit({code})"
    monkeypatch.setattr(gpus, "CHECK", (sys.executable, "-c", program))


def count(said: list[str], *, has_driver: bool = True, address: str = "", **model: str) -> int | None:
    settings = Settings(models=(ModelSettings(**model),), ray=RaySettings(address=address))  # type: ignore[arg-type]
    return gpus_to_count(settings, said.append, lambda: has_driver)


def test_a_cpu_machine_checks_nothing(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    """Without NVIDIA's driver no process is started and nothing is loaded."""
    monkeypatch.setattr(gpus, "CHECK", ("/no/such/program",))
    assert count(said, has_driver=False) is LEFT_TO_RAY
    assert said == []


def test_usable_gpus_are_counted_by_ray(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    """There is nothing to say."""
    checks(monkeypatch, 0)
    assert count(said) is LEFT_TO_RAY
    assert said == []


def test_unusable_ones_stay_unused_and_are_told(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    """A laptop with a GPU and a torch for the CPU transcribes on the CPU."""
    checks(monkeypatch, 1)
    assert count(said) == 0
    assert len(said) == 1
    assert "libcublas.so.12 does not load" in said[0]


def test_a_model_that_insists_gets_its_gpu_or_an_error(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    """Its replicas say what is missing; nodes of a cluster that was joined are others' machines."""
    checks(monkeypatch, 1)
    assert count(said, device="cuda") is LEFT_TO_RAY
    assert count(said, device="cpu") is LEFT_TO_RAY
    assert count(said, address="head:6379") is LEFT_TO_RAY
    assert said == []


def test_the_real_check_fails_on_a_machine_without_cuda(said: list[str]) -> None:
    """The program is there, and its lines come along; a machine that has all of CUDA counts its GPUs."""
    counted = count(said)
    assert (counted is LEFT_TO_RAY) == (not said)
    if said:
        assert "NVIDIA driver" in said[0]
