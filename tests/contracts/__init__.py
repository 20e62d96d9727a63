"""What every form of a shared part must do: test classes that the tests of each form inherit."""

import pytest

pytest.register_assert_rewrite(
    "tests.contracts.store", "tests.contracts.ledger_jobs", "tests.contracts.ledger_coordination"
)
