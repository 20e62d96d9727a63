"""Roles and their scopes, and which groups give which."""

from itertools import pairwise

from deployments.auth.roles import SCOPES, Grant, Grants, Role
from pipelines.ledger.credentials.api_keys import ALL_SCOPES, Scope
from tests.support.sign_in import GRANTS


def test_each_role_has_all_of_the_one_before():
    """And something more; readers change nothing, administrators may do everything."""
    assert list(SCOPES) == list(Role)
    assert all(SCOPES[lower] < SCOPES[higher] for lower, higher in pairwise(Role))
    assert SCOPES[Role.READER] == {Scope.JOBS_READ}
    assert SCOPES[Role.ADMINISTRATOR] == ALL_SCOPES


def test_the_highest_role_counts():
    """In each tenant by itself, in the order of the settings; groups that nobody named give nothing."""
    found = Grants(GRANTS).memberships(["sports", "admins", "listeners", "writers"])
    assert list(found.items()) == [("acme", Role.ADMINISTRATOR), ("lab", Role.READER)]
    assert Grants(GRANTS).memberships(["sports", "Writers", ""]) == {}


def test_a_role_for_everybody():
    """Also for those who are in no group."""
    assert Grants([Grant(group="*", tenant="acme", role=Role.READER)]).memberships([]) == {"acme": Role.READER}


def test_only_groups_that_count_are_kept():
    """Others are nobody's business."""
    assert Grants(GRANTS).relevant(["sports", "writers", "writers"]) == ("writers",)
