"""Run probes one after the other and tell what became of each."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.attack.target import Finding, NotApplicable, Target


@dataclass(frozen=True, kw_only=True)
class Probe:
    """One attack: ``run`` returns what it saw, raises `Finding` or `NotApplicable`."""

    threat: str
    run: Callable[[Target], str]


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What became of a probe: ``verdict`` is ``held``, ``FINDING`` or ``not applicable``."""

    threat: str
    verdict: str
    detail: str
    took_s: float

    @property
    def is_finding(self) -> bool:
        return self.verdict == "FINDING"


def run_probes(target: Target, probes: Sequence[Probe], told: Callable[[Outcome], None]) -> list[Outcome]:
    """Run all probes, also after a finding; ``told`` hears of each outcome at once."""
    outcomes = []
    for probe in probes:
        began_s = time.monotonic()
        try:
            verdict, detail = "held", probe.run(target)
        except Finding as found:
            verdict, detail = "FINDING", str(found)
        except NotApplicable as reason:
            verdict, detail = "not applicable", str(reason)
        except Exception as error:  # a probe that breaks shows nothing, so it is looked at like a finding
            verdict, detail = "FINDING", f"the probe broke: {error!r}"
        outcome = Outcome(threat=probe.threat, verdict=verdict, detail=detail, took_s=time.monotonic() - began_s)
        outcomes.append(outcome)
        told(outcome)
    return outcomes


def table(outcomes: Sequence[Outcome]) -> str:
    """The outcomes as a table in Markdown."""
    rows = [f"| {each.threat} | {each.verdict} | {each.detail} | {each.took_s:.1f} |" for each in outcomes]
    return "\n".join(["| attack | outcome | seen | s |", "|---|---|---|---|", *rows])
