"""The driver as its libraries tell of it."""

import pytest

from pipelines.models.nvidia_driver import OLDEST_DRIVERS, find_driver
from tests.fakes.cuda import INIT_MISMATCH, MISMATCH, FakeDriver


def test_a_machine_without_the_library_has_no_driver() -> None:
    """The usual CPU machine: nothing is opened, nothing fails."""

    def refuse(name: str) -> None:
        raise OSError(f"{name}: cannot open shared object file")

    assert find_driver(refuse) is None


def test_version_and_newest_cuda_are_told() -> None:
    """580.65.06 runs CUDA 13.0, and everything older."""
    found = find_driver(FakeDriver().open)
    assert found is not None
    assert (found.version, found.cuda, found.fault) == ("580.65.06", (13, 0), "")
    assert all(found.runs(major) for major in OLDEST_DRIVERS)


@pytest.mark.parametrize(("cuda", "newest"), [(12000, (12, 0)), (12080, (12, 8)), (11080, (11, 8))])
def test_an_older_driver_runs_its_own_major_version(cuda: int, newest: tuple[int, int]) -> None:
    """A minor version does not matter, a major one does."""
    found = find_driver(FakeDriver(cuda=cuda).open)
    assert found is not None
    assert found.cuda == newest
    assert [found.runs(major) for major in (12, 13)] == [newest >= (12, 0), False]


def test_a_driver_that_does_not_answer_says_why() -> None:
    """After an update without a restart the library is newer than the kernel's module."""
    found = find_driver(FakeDriver(init_error=INIT_MISMATCH).open)
    assert found is not None
    assert found.fault == MISMATCH
    unnamed = find_driver(FakeDriver(init_error=999).open)
    assert unnamed is not None
    assert unnamed.fault == "error 999"


def test_a_container_may_lack_the_library_that_knows_the_version() -> None:
    """It is found all the same."""
    found = find_driver(FakeDriver(version=None).open)
    assert found is not None
    assert found.version == "of unknown version"
    assert found.cuda == (13, 0)
