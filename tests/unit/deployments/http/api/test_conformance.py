"""The API keeps to its OpenAPI document, whatever it is sent (more: ``python -m tests.support.api_conformance``)."""

import pytest

from tests.support.api_conformance import operations, serving, try_operation

N_EXAMPLES = 4
SEED = 1


@pytest.fixture
def server():
    with serving() as server:
        yield server


def test_every_operation_answers_as_documented(server, subtests):
    """No request, valid or not, brings a 5xx or a status, type, header or body that is not in the document."""
    found = operations(server)
    assert len(found) > 40
    for label, operation in found.items():
        with subtests.test(operation=label):
            try_operation(server, operation, n_examples=N_EXAMPLES, seed=SEED)
