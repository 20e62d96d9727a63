"""What the tests of sessions share."""

import pytest

from tests.fakes.ledger import ManualClock
from tests.fakes.sessions import MemorySessions


@pytest.fixture
def clock():
    return ManualClock()


@pytest.fixture
def store():
    return MemorySessions()
