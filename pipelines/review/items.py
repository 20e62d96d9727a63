"""Review items: findings by the minute, each with a score and what is said there. Pure."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil, prod

from pipelines.core import Segment
from pipelines.review.findings import Finding
from pipelines.review.reasons import WEIGHTS, ReviewReason
from pipelines.text.typography import join_spoken

ITEM_S = 60.0
"""Length of an item at most: about as much as one listens to in one go."""

MAX_TEXT = 500
MAX_DETAILS = 12
MAX_DETAIL = 100


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """A stretch of a channel, such as one that somebody has listened to."""

    channel: int
    start_s: float
    end_s: float

    def holds(self, finding: Finding) -> bool:
        """Return whether a finding's middle is in here."""
        middle_s = (finding.start_s + finding.end_s) / 2
        return self.channel == finding.channel and self.start_s <= middle_s <= self.end_s


@dataclass(frozen=True, kw_only=True)
class ReviewItem:
    """A stretch of at most `ITEM_S` that is worth listening to; no two of a channel overlap by more than findings do.

    ``reasons`` come by their part in the score, ``details`` are the doubtful words and notes. ``text`` is what the
    transcript says there, its beginning of `MAX_TEXT` characters. ``score`` is the harm to expect: the weights of its
    reasons, each times how probably it applies.
    """

    channel: int
    start_s: float
    end_s: float
    score: float
    reasons: tuple[ReviewReason, ...]
    details: tuple[str, ...] = ()
    text: str = ""


def items_of(
    findings: Iterable[Finding], segments: Sequence[Segment], heard: Collection[Stretch] = ()
) -> tuple[ReviewItem, ...]:
    """Group findings into items, by channel and start; those in stretches that somebody ``heard`` are settled."""
    by_channel: defaultdict[int, list[Finding]] = defaultdict(list)
    for finding in findings:
        for piece in _pieces(finding):
            if not any(stretch.holds(piece) for stretch in heard):
                by_channel[finding.channel].append(piece)
    return tuple(
        _item(group, segments)
        for channel in sorted(by_channel)
        for group in _groups(sorted(by_channel[channel], key=lambda each: (each.start_s, each.end_s)))
    )


def _parts(findings: Iterable[Finding]) -> Mapping[ReviewReason, float]:
    """Return each reason's part in the score: its weight times how probably it applies.

    It applies where any of its findings is right: one minus the product of what speaks against each of them.
    """
    against: defaultdict[ReviewReason, list[float]] = defaultdict(list)
    for finding in findings:
        against[finding.reason].append(1 - finding.doubt)
    return {reason: WEIGHTS[reason] * (1 - prod(shares)) for reason, shares in against.items()}


def _pieces(finding: Finding) -> Iterator[Finding]:
    """Cut a long finding into equal pieces of an item's length at most."""
    length_s = finding.end_s - finding.start_s
    n_pieces = max(1, ceil(length_s / ITEM_S))
    for i in range(n_pieces):
        yield replace(
            finding,
            start_s=finding.start_s + i * length_s / n_pieces,
            end_s=finding.start_s + (i + 1) * length_s / n_pieces,
        )


def _groups(ordered: Sequence[Finding]) -> Iterator[list[Finding]]:
    group: list[Finding] = []
    for finding in ordered:
        if group and max(finding.end_s, *(each.end_s for each in group)) - group[0].start_s > ITEM_S:
            yield group
            group = []
        group.append(finding)
    if group:
        yield group


def _item(group: Sequence[Finding], segments: Sequence[Segment]) -> ReviewItem:
    parts = _parts(group)
    channel, start_s, end_s = group[0].channel, group[0].start_s, max(each.end_s for each in group)
    told = (segment.text for segment in segments if segment.channel == channel and _overlaps(segment, start_s, end_s))
    return ReviewItem(
        channel=channel,
        start_s=start_s,
        end_s=end_s,
        score=round(sum(parts.values()), 4),
        reasons=tuple(sorted(parts, key=lambda reason: (-parts[reason], reason))),
        details=tuple(dict.fromkeys(each.detail[:MAX_DETAIL] for each in group if each.detail))[:MAX_DETAILS],
        text=join_spoken(told)[:MAX_TEXT],
    )


def _overlaps(segment: Segment, start_s: float, end_s: float) -> bool:
    return segment.start_s < end_s and start_s < segment.end_s
