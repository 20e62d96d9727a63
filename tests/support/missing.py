"""What a test needs and a machine may lack."""

import os
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Skip the test for want of something; in CI, which installs it first, fail: a skip there is seen by nobody."""
    if os.environ.get("CI"):
        pytest.fail(what)
    pytest.skip(what)
