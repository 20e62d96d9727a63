"""Which chunks go to another model, and which models may stand in for which."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.errors import OptionError
from pipelines.models.profile import ModelProfile
from pipelines.models.routing import ModelRoute, from_text, misfit, to_text, with_route

CHUNKS = [(f"job-{job}", chunk) for job in range(40) for chunk in range(25)]


def route(share: float, of: str = "base", to: str = "turbo") -> ModelRoute:
    return ModelRoute(of=of, to=to, share=share)


def test_a_share_is_a_share() -> None:
    """About a twentieth of many chunks goes, and every one when all shall."""
    taken = sum(route(0.05).takes(*chunk) for chunk in CHUNKS)
    assert 25 < taken < 80
    assert all(route(1.0).takes(*chunk) for chunk in CHUNKS)


@given(st.floats(0.01, 1.0), st.floats(0.01, 1.0), st.text(max_size=8), st.integers(0, 1000))
def test_a_larger_share_holds_the_smaller(one: float, other: float, job_id: str, chunk: int) -> None:
    """Raising a canary's share takes no chunk from it, whoever decides."""
    small, large = sorted([one, other])
    assert not route(small).takes(job_id, chunk) or route(large).takes(job_id, chunk)


def test_a_route_replaces_that_of_its_model() -> None:
    """A promotion takes the canary's place; other models' canaries stay."""
    other = route(0.1, of="small", to="medium")
    assert with_route([route(0.05), other], route(1.0)) == (other, route(1.0))


@pytest.mark.parametrize("chained", [("turbo", "large"), ("small", "base")])
def test_no_chains(chained: tuple[str, str]) -> None:
    """What stands in for a model has no stand-in itself."""
    with pytest.raises(OptionError):
        with_route([route(0.05)], route(0.05, *chained))


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1])
def test_impossible_shares(share: float) -> None:
    """A share is more than nothing and at most everything."""
    with pytest.raises(OptionError):
        route(share)


def test_routes_survive_the_ledger() -> None:
    """Written and read they are the same."""
    routes = (route(0.05), route(1.0, of="a", to="b"))
    assert from_text(to_text(routes)) == routes


@pytest.mark.parametrize(
    ("of", "to", "fits"),
    [
        (ModelProfile(), ModelProfile(), True),
        (ModelProfile(languages=("en",)), ModelProfile(), True),
        (ModelProfile(), ModelProfile(languages=("en",)), False),
        (ModelProfile(languages=("en", "de")), ModelProfile(languages=("en", "de", "fr")), True),
        (ModelProfile(window_s=30), ModelProfile(window_s=20), False),
        (ModelProfile(), ModelProfile(translates=False), False),
        (ModelProfile(languages=("en",)), ModelProfile(languages=("en",), translates=False), True),
    ],
)
def test_who_may_stand_in(of: ModelProfile, to: ModelProfile, *, fits: bool) -> None:
    """A stand-in takes rows as long, knows every language and translates where the other does."""
    assert (misfit(of, to) == "") is fits
