"""Whether the voices of a job are told apart: what it says, what the server's setting adds, what is refused."""

from typing import Any

import pytest

from deployments.intake.job_policy import JobPolicy
from deployments.schemas.options import Options
from pipelines.errors import InvalidOptions
from pipelines.jobs.options import JobOptions
from pipelines.speakers.options import SpeakerOptions


async def chosen(diarize: str | None = None, **given: Any) -> JobOptions:
    """The options of a job where the server's setting is ``diarize``."""
    return await JobPolicy(models=("m",), default_model="m", diarize=diarize).check(Options.parse(given))


@pytest.mark.parametrize(
    ("given", "fewest", "most"),
    [("auto", 1, None), ("4", 4, 4), (4, 4, 4), ("2-5", 2, 5), ("12-99", 12, 99)],
)
async def test_how_many(given: str | int, fewest: int, most: int | None) -> None:
    """As many as are heard, a number, or bounds."""
    options = await _with(given)
    assert options.speaker_options == SpeakerOptions(min_speakers=fewest, max_speakers=most)


async def _with(given: Any, **others: Any) -> JobOptions:
    return await JobPolicy(models=("m",), default_model="m").check(Options.parse({"diarize": given, **others}))


@pytest.mark.parametrize("given", ["many", "0", "100", "5-2", "2-", "-2", "2,5", "AUTO", False, True, 2.5])
async def test_what_is_no_number_of_speakers(given: Any) -> None:
    """It is refused by the option's name, with what there is."""
    with pytest.raises(InvalidOptions) as refused:
        await _with(given)
    assert [field for field, _ in refused.value.errors] == ["diarize"]


@pytest.mark.parametrize("given", ["off", "", None])
async def test_nobody(given: str | None) -> None:
    """Without a word, and where the server does not tell apart by itself."""
    assert (await _with(given)).diarize is None


async def test_the_servers_setting() -> None:
    """It holds for recordings of one channel that has no name, unless the job says otherwise."""
    assert (await chosen("auto")).diarize == "auto"
    assert (await chosen("auto", channels="split")).diarize is None
    assert (await chosen("auto", track="all")).diarize is None
    assert (await chosen("auto", speakers=["Ann"])).diarize is None
    policy = JobPolicy(models=("m",), default_model="m", diarize="auto")
    assert (await policy.check(Options.parse({"diarize": "off"}))).diarize is None
    assert (await policy.check(Options.parse({"diarize": "3"}))).diarize == "3"


async def test_channels_that_are_split_may_be_told_apart() -> None:
    """Where the job says so, with names for some."""
    options = await _with("auto", channels="split", speakers=["Agent"])
    assert (options.diarize, options.is_named(0), options.is_named(1)) == ("auto", True, False)


async def test_a_name_for_the_only_channel_contradicts() -> None:
    """Its voices would all be that speaker's."""
    with pytest.raises(InvalidOptions, match="speakers names the only channel"):
        await _with("auto", speakers=["Ann"])
