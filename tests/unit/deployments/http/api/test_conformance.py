"""The API keeps to its OpenAPI document, whatever it is sent (more: ``python -m tests.support.api_conformance``)."""

import pytest
import requests

from pipelines.ledger.credentials.api_keys import ALL_SCOPES, Scope
from tests.support.api_conformance import CALL_TIMEOUT_S, operations, serving, try_operation

SEED = 1

WHO = {
    "anybody": (None, 4),
    "all-rights": (ALL_SCOPES, 4),
    "reader": (frozenset({Scope.JOBS_READ}), 1),
    "stranger": (frozenset(), 1),
}
"""The rights of who asks, None where the server wants no key, and examples of each kind for each operation."""


@pytest.mark.parametrize("who", WHO)
def test_every_operation_answers_as_documented(who, subtests):
    """No request, valid or not, brings a 5xx or a status, type, header or body that is not in the document."""
    scopes, n_examples = WHO[who]
    with serving(scopes=scopes) as server:
        listed = requests.get(f"{server.url}/v1/jobs", headers=server.headers, timeout=CALL_TIMEOUT_S)
        assert listed.status_code == (401 if who == "stranger" else 200)
        found = operations(server)
        assert len(found) > 40
        for label, operation in found.items():
            with subtests.test(operation=label):
                try_operation(server, operation, n_examples=n_examples, seed=SEED)
