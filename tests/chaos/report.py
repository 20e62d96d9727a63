"""The report of a chaos run: what was killed, what it cost, what was found wrong."""

from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.plan import Victim


@dataclass(frozen=True, kw_only=True)
class Killed:
    """One kill: when (seconds of the run), what it hit, how many jobs had ended, when the service was ready again."""

    victim: Victim
    at_s: float
    detail: str
    n_ended: int
    ready_after_s: float


@dataclass(frozen=True, kw_only=True)
class Report:
    """Figures of a run; times in seconds. ``undisturbed_s``: that of a part, multiplied by the seconds of audio."""

    cluster: str
    seed: int
    n_jobs: int
    n_chunks: int
    n_repeats: int
    n_refused: int
    n_litter: int
    undisturbed_s: float
    disturbed_s: float
    kills: tuple[Killed, ...]
    findings: tuple[str, ...] = field(default=())

    @property
    def lost_s(self) -> float:
        return self.disturbed_s - self.undisturbed_s

    def markdown(self) -> str:
        """The report as a page."""
        counts = Counter(kill.victim for kill in self.kills)
        lines = [
            f"{self.n_jobs} jobs on {self.cluster}, seed {self.seed}: "
            + ("all is as it must be." if not self.findings else f"**{len(self.findings)} findings**."),
            "",
            *(f"- {finding}" for finding in self.findings),
            *([""] if self.findings else []),
            "| figure | value |",
            "|---|---|",
            f"| kills | {len(self.kills)}: {', '.join(f'{victim} {n}' for victim, n in sorted(counts.items()))} |",
            f"| chunks decoded | {self.n_chunks} |",
            f"| of these begun more than once | {self.n_repeats} |",
            f"| requests that had to be sent again | {self.n_refused} |",
            f"| blobs left for housekeeping | {self.n_litter} |",
            f"| undisturbed, by a run of some | {self.undisturbed_s:.0f} s |",
            f"| this run | {self.disturbed_s:.0f} s |",
            f"| time lost | {self.lost_s:.0f} s |",
            "",
            "| at, s | killed | jobs ended | ready again after, s |",
            "|---|---|---|---|",
            *(
                f"| {kill.at_s:.0f} | {kill.victim}, {kill.detail} | {kill.n_ended} | {kill.ready_after_s:.0f} |"
                for kill in self.kills
            ),
        ]
        return "\n".join(lines) + "\n"
