"""Corrections of a transcript: what people change, how it makes the next version, and who keeps the versions.

Version 0 is the machine's transcript and is never touched. Each version is a whole transcript in the blob store,
written first; its row in the ledger makes it count (`CorrectionRepository.add`).
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from pipelines.audit import Deed
from pipelines.codec import encode
from pipelines.core import CoverageStatus, NameSource, Segment, Speaker, TermMatch, Transcript
from pipelines.errors import OptionError, VersionConflict
from pipelines.transcript.findings import with_findings
from pipelines.transcript.retiming import retime

MAX_VERSIONS = 1000  # of one transcript


@dataclass(frozen=True, kw_only=True)
class SegmentEdit:
    """What a segment says and who says it, where that changes; a segment without text was not said at all."""

    id: int
    text: str | None = None
    speaker: str | None = None


@dataclass(frozen=True, kw_only=True)
class SpeakerSplit:
    """Two people under one name: ``speaker`` is ``name`` from ``from_s`` until ``until_s`` (None: to the end).

    A segment is where its middle is.
    """

    speaker: str
    name: str
    from_s: float
    until_s: float | None = None

    def takes(self, segment: Segment) -> bool:
        """Return whether a segment gets the new name."""
        middle_s = (segment.start_s + segment.end_s) / 2
        within = self.from_s <= middle_s and (self.until_s is None or middle_s < self.until_s)
        return within and segment.speaker == self.speaker


@dataclass(frozen=True, kw_only=True)
class Edits:
    """Changes to one version: ``splits`` part speakers, ``speakers`` renames what is left of them throughout, then
    single ``segments`` change."""

    segments: tuple[SegmentEdit, ...] = ()
    speakers: Mapping[str, str] = field(default_factory=dict)
    splits: tuple[SpeakerSplit, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Correction:
    """A version of a job's transcript: made from version ``base`` = ``version`` - 1 at ``at_s`` (Unix seconds).

    ``author`` is the credential that saved it ("" where nobody is asked who they are), ``n_segments`` how many
    segments differ from the version before, ``name`` that of its blob (`pipelines.storage.layout.JobKeys.corrected`).
    """

    version: int
    author: str
    note: str
    n_segments: int
    name: str
    at_s: float = 0.0

    @property
    def base(self) -> int:
        return self.version - 1


class CorrectionRepository(Protocol):
    """The versions of transcripts in the ledger. Methods block and are thread-safe.

    All raise `JobUnknown`, also for another tenant's job, and `LedgerUnavailable`.
    """

    def add(self, tenant: str, job_id: str, correction: Correction, deed: Deed | None = None) -> Correction:
        """Make a version count, if its ``base`` is the newest; returns it with the ledger's time.

        In the same transaction the ``deed`` is entered in the audit log.

        Raises `VersionConflict` when another one was saved meanwhile. A repetition (same version, same blob) is no
        conflict: it returns what is stored. The job's history tells of it.
        """

    def of_job(self, tenant: str, job_id: str) -> Sequence[Correction]:
        """Return a job's versions, oldest first."""

    def newest(self, job_ids: Collection[str]) -> Mapping[str, Correction]:
        """Return the newest version of each job that has one, by its id; unknown jobs are none of these."""


def corrected(
    transcript: Transcript, edits: Edits, hide: Callable[[Transcript], Transcript] = lambda edited: edited
) -> tuple[Transcript, int]:
    """Return the next version of a transcript, and how many segments differ; ``hide`` masks what must not be read.

    Times of segments stay; words of a segment whose text changed get new ones (`pipelines.transcript.retiming.retime`),
    and it is suspect no more: somebody has looked. Raises `OptionError` for a segment or a speaker that is not there,
    for one that is given twice, and when nothing changes.
    """
    by_id = {edit.id: edit for edit in edits.segments}
    if len(by_id) < len(edits.segments):
        raise OptionError("segments: one of them is given more than once")
    if unknown := sorted(by_id.keys() - {segment.id for segment in transcript.segments}):
        raise OptionError(f"segments: there is no segment {unknown[0]}")
    if missing := sorted(edits.speakers.keys() - {segment.speaker for segment in transcript.segments}):
        raise OptionError(f"speakers: nobody here is called {missing[0]!r}")
    for split in edits.splits:
        if not any(split.takes(segment) for segment in transcript.segments):
            raise OptionError(f"splits: {split.speaker!r} says nothing from {split.from_s:g} s on")
    edited = tuple(_edited(segment, by_id.get(segment.id), edits) for segment in transcript.segments)
    segments = hide(replace(transcript, segments=edited)).segments
    n_changed = sum(new != old for new, old in zip(segments, transcript.segments, strict=True))
    if not n_changed:
        raise OptionError("segments: nothing would change")
    speakers = _renamed(transcript.speakers, segments, edits)
    return replace(transcript, segments=segments, speakers=speakers), n_changed


def blob_name(version: int, transcript: Transcript) -> str:
    """Return a name for a version's blob: equal content has one name, so that a repeated request writes it again."""
    return f"{version:06d}-{hashlib.sha256(encode(transcript)).hexdigest()[:32]}"


def version_of(name: str) -> int:
    """Return the version whose blob has this name; 0 for ""."""
    return int(name.partition("-")[0] or 0)


def said(transcript: Transcript) -> Transcript:
    """Return a version without the segments that were struck out, for documents and minutes."""
    left = replace(transcript, segments=tuple(segment for segment in transcript.segments if segment.text))
    return with_findings(left, transcript.notes)


def judge_correction(held: Sequence[Correction], new: Correction, job_id: str) -> Correction | None:
    """Return the stored version that ``new`` repeats, None where it is the next one; what every book decides alike.

    Raises `VersionConflict`.
    """
    newest = held[-1].version if held else 0
    if new.version == newest + 1:
        return None
    same = next((each for each in held if (each.version, each.name) == (new.version, new.name)), None)
    if same is None:
        raise VersionConflict(f"the transcript of job {job_id} is at version {newest}, not {new.base}")
    return same


def _renamed(speakers: Sequence[Speaker], segments: Sequence[Segment], edits: Edits) -> tuple[Speaker, ...]:
    """Return the speakers under their new names, and those whom single segments were given to; the rest as they were.

    A speaker who has no segments left is none any more.
    """
    if not speakers:
        return ()
    names = dict.fromkeys(segment.speaker for segment in segments if segment.speaker)
    kept = [_corrected(each, edits.speakers[each.name]) if each.name in edits.speakers else each for each in speakers]
    known = {each.name for each in kept}
    new = [Speaker(label=name, name=name, source=NameSource.CORRECTED) for name in names]
    return tuple(each for each in kept if each.name in names) + tuple(each for each in new if each.name not in known)


def _corrected(speaker: Speaker, name: str) -> Speaker:
    return Speaker(label=speaker.label, name=name, source=NameSource.CORRECTED)


def _edited(segment: Segment, edit: SegmentEdit | None, edits: Edits) -> Segment:
    named = edits.speakers.get(segment.speaker, segment.speaker)
    segment = replace(segment, speaker=next((each.name for each in edits.splits if each.takes(segment)), named))
    if edit is None:
        return segment
    if edit.speaker is not None:
        segment = replace(segment, speaker=edit.speaker)
    text = None if edit.text is None else " ".join(edit.text.split())
    if text is None or text == segment.text:
        return segment
    words = retime(segment.words, text, segment.start_s, segment.end_s)
    matches = tuple(_kept_matches(segment, text))
    return replace(segment, text=text, words=words, matches=matches, health=CoverageStatus.TRANSCRIBED)


def _kept_matches(segment: Segment, text: str) -> Iterator[TermMatch]:
    """Yield the terms that stand in a new text where they stood before what changed, or behind it."""
    old = segment.text
    n_shorter = min(len(old), len(text))
    n_before = next((i for i in range(n_shorter) if old[i] != text[i]), n_shorter)
    n_after = next((i for i in range(n_shorter - n_before) if old[-1 - i] != text[-1 - i]), n_shorter - n_before)
    for match in segment.matches:
        if match.at + len(match.term) <= n_before:
            yield match
        elif match.at >= len(old) - n_after:
            yield replace(match, at=match.at + len(text) - len(old))
