"""The queue before the processes for templates: turns for tenants, a memory, and bounds."""

import asyncio
import json
import threading
from collections.abc import Iterator, Mapping
from typing import Any

import pytest

from deployments.artifacts.template_queue import MAX_REMEMBERED, TemplateQueue
from deployments.intake.job_policy import JobPolicy
from deployments.intake.manifest import MAX_TEMPLATES, checked_entries, read_lines
from deployments.sources.limits import SourceLimits
from pipelines.errors import InvalidOptions, Overloaded, ReplicaLost, TemplateInvalid
from pipelines.export.blocks import Layout
from tests.support.waiting import until


class Steered:
    """`Templates` that say what a template says of itself, each when it may."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def check(self, template: str) -> None:
        self.begun.append(template)
        self.may_go_on.wait(60)
        if "bad" in template:
            raise TemplateInvalid(f"{template} is bad")
        if "lost" in template:
            raise ReplicaLost("the process was killed")

    def lay_out(self, template: str, values: Mapping[str, Any]) -> Layout:
        self.check(template)
        return Layout(title=f"{template} {values['n']}", blocks=())


@pytest.fixture
def steered() -> Iterator[Steered]:
    steered = Steered()
    yield steered
    steered.may_go_on.set()


async def test_a_template_is_tried_once(steered: Steered) -> None:
    """Good or bad, it is remembered, for all tenants: its text says all."""
    queue = TemplateQueue(steered)
    for tenant in ("a", "b", "a"):
        await queue.check(tenant, "good")
        queue.check_blocking(tenant, "good")
        with pytest.raises(TemplateInvalid, match="bad is bad"):
            await queue.check(tenant, "bad")
    assert steered.begun == ["good", "bad"]


async def test_who_asks_meanwhile_waits_for_the_same_trial(steered: Steered) -> None:
    """A hundred uploads at once with one template are one trial, and one that gives up ends it for nobody else."""
    queue = TemplateQueue(steered, max_waiting=1)
    steered.may_go_on.clear()
    asked = [asyncio.create_task(queue.check("a", "bad")) for _ in range(100)]
    await until(lambda: len(steered.begun) == 1)
    asked[0].cancel()
    steered.may_go_on.set()
    found = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(found[0], asyncio.CancelledError)
    assert all(isinstance(error, TemplateInvalid) for error in found[1:])
    assert steered.begun == ["bad"]


async def test_an_outage_is_not_remembered(steered: Steered) -> None:
    """A process that was lost says nothing about its template."""
    queue = TemplateQueue(steered)
    for _ in range(2):
        with pytest.raises(ReplicaLost):
            await queue.check("a", "lost")
    assert steered.begun == ["lost", "lost"]


async def test_the_memory_is_bounded(steered: Steered) -> None:
    """The least used are forgotten."""
    queue = TemplateQueue(steered)
    for n in range(1100):
        await queue.check("a", f"{n}")
    for n in (1099, MAX_REMEMBERED, 1100 - MAX_REMEMBERED):
        await queue.check("a", f"{n}")
    assert len(steered.begun) == 1100
    await queue.check("a", f"{1100 - MAX_REMEMBERED - 1}")
    assert len(steered.begun) == 1101


async def test_tenants_take_turns(steered: Steered) -> None:
    """A tenant with many templates keeps another waiting for those in work only."""
    queue = TemplateQueue(steered, max_at_once=1)
    steered.may_go_on.clear()
    asked = [asyncio.create_task(queue.check("greedy", f"{n}")) for n in range(20)]
    await until(lambda: len(steered.begun) == 1)
    asked.append(asyncio.create_task(queue.check("modest", "mine")))
    laid_out = asyncio.create_task(queue.lay_out("other", "theirs", {"n": 3}))
    await asyncio.sleep(0)
    steered.may_go_on.set()
    await asyncio.gather(*asked)
    assert await laid_out == Layout(title="theirs 3", blocks=())
    assert sorted(steered.begun.index(name) for name in ("mine", "theirs")) in ([2, 3], [2, 4])


async def test_a_queue_that_is_full_refuses(steered: Steered) -> None:
    """A tenant's own; and with it no other's."""
    queue = TemplateQueue(steered, max_at_once=1, max_waiting=2)
    steered.may_go_on.clear()
    asked = [asyncio.create_task(queue.check("a", f"{n}")) for n in range(3)]
    await until(lambda: len(steered.begun) == 1)
    with pytest.raises(Overloaded) as refused:
        await queue.check("a", "3")
    assert refused.value.retry_after_s > 0
    with pytest.raises(Overloaded):
        await queue.lay_out("a", "3", {})
    asked.append(asyncio.create_task(queue.check("b", "3")))
    await asyncio.sleep(0)
    steered.may_go_on.set()
    await asyncio.gather(*asked)


def test_a_manifest_tries_its_template_once(steered: Steered, tmp_path: Any) -> None:
    """Thousands of entries with one template are one trial; too many different ones are a mistake of the manifest's."""
    policy = JobPolicy(models=("m",), default_model="m", templates=TemplateQueue(steered))

    def entries(n_templates: int) -> int:
        path = tmp_path / "manifest.jsonl"
        wanted = ({"minutes_template": f"{{{{ {n % n_templates} }}}}", "priority": n % 7} for n in range(2000))
        path.write_text("\n".join(json.dumps({"filename": "a", "options": options}) for options in wanted))
        return len(checked_entries(read_lines(path), {}, policy, SourceLimits(), "default"))

    assert entries(1) == 2000
    assert len(steered.begun) == 1
    with pytest.raises(InvalidOptions, match=f"{MAX_TEMPLATES} templates"):
        entries(MAX_TEMPLATES + 1)


def test_an_overload_is_no_mistake_of_a_manifest(tmp_path: Any) -> None:
    """Entries whose template cannot be tried now are not told that they are wrong."""

    class Busy(Steered):
        def check(self, template: str) -> None:
            raise Overloaded("busy", 1.0)

    path = tmp_path / "manifest.jsonl"
    path.write_text('{"filename": "a", "options": {"minutes_template": "{{ title }}"}}')
    policy = JobPolicy(models=("m",), default_model="m", templates=TemplateQueue(Busy()))
    with pytest.raises(Overloaded):
        checked_entries(read_lines(path), {}, policy, SourceLimits(), "default")
