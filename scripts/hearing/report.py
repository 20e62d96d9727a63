"""Scores of many recordings as Markdown tables and JSON."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any

from scripts.hearing.alignment import Errors
from scripts.hearing.corpus import Recording
from scripts.hearing.heard import Heard
from scripts.hearing.scoring import SENTENCE_WORDS, SILENCE_MARGIN_S, Score


@dataclass(frozen=True, kw_only=True)
class Scored:
    """A recording, what an arm heard of it, and what is wrong with that."""

    recording: Recording
    heard: Heard
    score: Score


@dataclass(frozen=True, kw_only=True)
class Run:
    """An arm with so many beams over all recordings; ``cpu_s`` is None where its processor time cannot be read."""

    arm: str
    beam: int
    scored: tuple[Scored, ...]
    wall_s: float
    cpu_s: float | None

    def errors(self, group: str | None = None) -> Errors:
        """Sum up the errors of a group, or of all."""
        return sum((one.score.errors for one in self.scored if group in (None, one.recording.group)), Errors())

    def as_dict(self) -> dict[str, Any]:
        """Return everything that was measured, with the sums of each group."""
        return {
            "arm": self.arm,
            "beam": self.beam,
            "wall_s": self.wall_s,
            "cpu_s": self.cpu_s,
            "groups": {group: _errors_dict(self.errors(group)) for group in _groups([self])},
            "all": _errors_dict(self.errors()),
            "recordings": [
                {
                    "file": one.recording.path.name,
                    "group": one.recording.group,
                    **asdict(one.score),
                    "segments": one.heard.as_dict()["segments"],
                }
                for one in self.scored
            ],
        }


def tables(runs: Sequence[Run]) -> str:
    """Return two tables as Markdown: words wrong by group, and by kind of fault over all recordings."""
    return f"{_by_group(runs)}\n\n{_by_fault(runs)}\n"


def _by_group(runs: Sequence[Run]) -> str:
    groups = _groups(runs)
    titles = [f"{group} ({runs[0].errors(group).n_words})" for group in groups]
    lines = _head("words wrong of (so many), %", "beam", *titles, "processor s")
    for run in runs:
        rates = [f"{100 * run.errors(group).rate:.1f}" for group in groups]
        lines.append(_row(run.arm, run.beam, *rates, "–" if run.cpu_s is None else f"{run.cpu_s:.0f}"))
    return "\n".join(lines)


def _by_fault(runs: Sequence[Run]) -> str:
    n_sentences = sum(one.score.n_sentences for one in runs[0].scored)
    lines = _head(
        "all recordings",
        "beam",
        "substituted",
        "left out",
        "put in",
        f"sentences of {SENTENCE_WORDS} words or more left out, of {n_sentences}",
        f"s of text more than {SILENCE_MARGIN_S} s from speech",
        "starts off by s, median (9 of 10)",
        "ends off by s",
        "failed",
    )
    for run in runs:
        errors, scores = run.errors(), [one.score for one in run.scored]
        lines.append(
            _row(
                run.arm,
                run.beam,
                errors.n_substituted,
                errors.n_deleted,
                errors.n_inserted,
                sum(len(score.left_out) for score in scores),
                f"{sum(score.silence_s for score in scores):.1f}",
                _spread([off for score in scores for off in score.start_errors_s]),
                _spread([off for score in scores for off in score.end_errors_s]),
                sum(bool(score.failure) for score in scores),
            )
        )
    return "\n".join(lines)


def _groups(runs: Iterable[Run]) -> list[str]:
    return list(dict.fromkeys(one.recording.group for run in runs for one in run.scored))


def _errors_dict(errors: Errors) -> dict[str, float]:
    return {**asdict(errors), "rate": errors.rate}


def _spread(errors_s: Sequence[float]) -> str:
    """Median and ninth decile, and of how many."""
    if len(errors_s) < 2:
        return "–"
    return f"{median(errors_s):.2f} ({quantiles(errors_s, n=10, method='inclusive')[-1]:.2f}), n={len(errors_s)}"


def _head(*titles: str) -> list[str]:
    return [_row(*titles), "|" + "---|" * len(titles)]


def _row(*cells: object) -> str:
    return "| " + " | ".join(map(str, cells)) + " |"
