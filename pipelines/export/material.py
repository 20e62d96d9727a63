"""Holds what a document is written from, and writes names, times and marks as all of its parts do."""

from collections.abc import Mapping, Sequence
from functools import cached_property

from pipelines.core import Evidence, Minutes, NameSource, Segment, Speaker, Transcript
from pipelines.export.blocks import Line, Run
from pipelines.export.labels import Labels, labels_for
from pipelines.export.times import clock
from pipelines.export.turns import turns
from pipelines.text.cleaning import one_line
from pipelines.text.direction import is_right_to_left
from pipelines.transcript.findings import with_findings

MAX_CITED_TIMES = 3
_RIGHT_TO_LEFT_MARK = "\u200f"


class Material:
    """Holds a recording's title, its transcript with what was found out about it, its minutes and their labels.

    ``turns`` are those of the transcript, by start; links lead to them (`anchor`).
    """

    def __init__(self, transcript: Transcript, minutes: Minutes, title: str) -> None:
        self.transcript = with_findings(transcript, transcript.notes)
        self.minutes = minutes
        self.title = one_line(title)
        self.labels = labels_for(minutes.language)
        self.turns = turns(transcript)
        self._with_hours = transcript.duration_s >= 3600
        self._segments = {segment.id: segment for segment in transcript.segments}
        self._anchors = {i: anchor(n) for n, turn in enumerate(self.turns) for i in turn.segment_ids}

    def clock(self, seconds: float) -> str:
        """Return a time as this document writes it."""
        return clock(seconds, with_hours=self._with_hours)

    @property
    def duration(self) -> str:
        return self.clock(self.transcript.duration_s)

    def person(self, name: str | None) -> str:
        """Write the name of a participant or owner, marked where it was inferred; "" for nobody."""
        written = self.labels.speaker(one_line(name or ""))
        return self.labels.inferred.format(written) if name in self.inferred else written

    @cached_property
    def inferred(self) -> Mapping[str, Speaker]:
        """Speakers whose names were inferred from what was said, by name."""
        return {each.name: each for each in self.transcript.speakers if each.source is NameSource.INFERRED}

    @cached_property
    def gap(self) -> Run:
        """Space before times and marks, which from right to left would go with a Latin name before them."""
        return Run(text="  " + (_RIGHT_TO_LEFT_MARK if is_right_to_left(self.minutes.language) else ""))

    def times(self, evidence: Evidence) -> Line:
        """Return the times of the turns that hold the evidence, each a link there; at most three."""
        runs: list[Run] = []
        for segment in self._cited(evidence)[:MAX_CITED_TIMES]:
            if runs:
                runs.append(Run(text=self.labels.list_separator, look="faint"))
            runs.append(Run(text=self.clock(segment.start_s), look="faint", link=self._anchors[segment.id]))
        return tuple(runs) or (Run(text=self.labels.unknown, look="faint"),)

    def link(self, evidence: Evidence) -> str:
        """Return the anchor of the first turn that holds the evidence, "" where none does."""
        cited = self._cited(evidence)
        return self._anchors[cited[0].id] if cited else ""

    def doubt(self, verified: bool) -> Line:
        """Return the mark of an entry that nothing proves, after what stands before it in the line."""
        return () if verified else (self.gap, Run(text=marked(self.labels), look="strong"))

    def _cited(self, evidence: Evidence) -> Sequence[Segment]:
        """Return segments of the evidence by time, one for each turn they lie in; unknown ids are skipped."""
        by_turn: dict[str, Segment] = {}
        for i in sorted(set(evidence.segment_ids)):
            if i in self._segments:
                by_turn.setdefault(self._anchors[i], self._segments[i])
        return list(by_turn.values())


def marked(labels: Labels) -> str:
    """Return the mark of what is not verified."""
    return f"[{labels.unverified}]"


def anchor(turn_number: int) -> str:
    """Return where links to a turn lead, counted from 0."""
    return f"turn_{turn_number + 1}"
