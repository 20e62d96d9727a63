"""Find the sentences that tie names to voices, or tell that a voice is not somebody's."""

import re
from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from enum import IntEnum
from itertools import groupby
from re import Match, Pattern

from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.wording import tokens
from pipelines.minutes.naming.phrases import NamePhrases
from pipelines.minutes.naming.reading import ReadName, read_name

MAX_GAP_S = 15.0
"""Who is thanked or asked has just spoken, or answers, with less silence between."""
OPENING_SENTENCES = 2
"""Thanks that come later in a turn are to somebody who spoke before, not to the last one."""
CLOSING_SENTENCES = 2
MIN_ANSWERED_TOKENS = 4
"""Who only said "yes, sure" is not who is thanked."""


class Weight(IntEnum):
    """How much a sentence tells: voices introduce themselves; others' words may be meant for somebody else."""

    NOT_SELF = -2
    GREETED = 1
    CALLED = 2
    OWN = 4


@dataclass(frozen=True, kw_only=True)
class NamedVoice:
    """A sentence that says, with a weight, that a voice is called so; negative: that it is not."""

    voice: str
    name: str
    weight: float
    sentence: Sentence


@dataclass(frozen=True, kw_only=True)
class SpokenTurn:
    """Sentences that one voice says in a row."""

    voice: str
    sentences: tuple[Sentence, ...]

    @property
    def start_s(self) -> float:
        return self.sentences[0].start_s

    @property
    def end_s(self) -> float:
        return self.sentences[-1].end_s

    @property
    def n_tokens(self) -> int:
        return sum(len(tokens(sentence.clean)) for sentence in self.sentences)


_INNER_WORD = re.compile(r"(?<=[^\W\d_])(?:,? )(?P<word>[^\W\d_]\w+)")


def turns_of(sentences: Sequence[Sentence]) -> tuple[SpokenTurn, ...]:
    """Return the sentences by turns, in the order of speaking."""
    return tuple(
        SpokenTurn(voice=voice, sentences=tuple(said)) for voice, said in groupby(sentences, key=lambda s: s.speaker)
    )


def names_told(sentences: Sequence[Sentence], phrases: Mapping[int, NamePhrases]) -> frozenset[str]:
    """Return words, in lower case, that are names for certain: "my name is Xiomara". ``phrases`` by sentence."""
    found: set[str] = set()
    for sentence in sentences:
        table = phrases.get(sentence.index)
        for read, _ in (
            _matches(sentence, table, "own", _Known(names=frozenset(), capitals=frozenset())) if table else ()
        ):
            found.update(read.name.casefold().split())
    return frozenset(found)


def names_in_capitals(sentences: Sequence[Sentence]) -> frozenset[str]:
    """Return words, in lower case, that have a capital letter inside a sentence, where it does not come from there."""
    inner = (match["word"] for sentence in sentences for match in _INNER_WORD.finditer(sentence.clean))
    return frozenset(word.casefold() for word in inner if word[0].isupper())


def find_evidence(
    turns: Sequence[SpokenTurn], phrases: Mapping[int, NamePhrases], known: Set[str]
) -> Iterator[NamedVoice]:
    """Yield all that is said of whose voice is whose, in the order of speaking."""
    voices = {turn.voice for turn in turns}
    capitals = names_in_capitals([sentence for turn in turns for sentence in turn.sentences])
    for number, turn in enumerate(turns):
        before = turns[number - 1] if number else None
        after = turns[number + 1] if number + 1 < len(turns) else None
        if before and turn.start_s - before.end_s > MAX_GAP_S:
            before = None
        if after and after.start_s - turn.end_s > MAX_GAP_S:
            after = None
        other = next(iter(voices - {turn.voice})) if len(voices) == 2 else ""
        yield from _in_turn(
            turn, _Others(before=before, after=after, only=other), phrases, _Known(names=known, capitals=capitals)
        )


@dataclass(frozen=True, kw_only=True)
class _Known:
    """Words, in lower case: ``names`` for certain, and those that have ``capitals`` inside sentences."""

    names: Set[str]
    capitals: Set[str]


@dataclass(frozen=True, kw_only=True)
class _Others:
    """Who may be meant: the turns before and after, and the other voice where there are two."""

    before: SpokenTurn | None
    after: SpokenTurn | None
    only: str


def _in_turn(
    turn: SpokenTurn, others: _Others, phrases: Mapping[int, NamePhrases], known: _Known
) -> Iterator[NamedVoice]:
    last_call: tuple[Sentence, ReadName] | None = None
    for position, sentence in enumerate(turn.sentences):
        table = phrases.get(sentence.index)
        if table is None:
            continue
        yield from _own(turn.voice, sentence, table, known)
        called: list[str] = []
        for read, _ in _matches(sentence, table, "thanked", known):
            before = others.before
            near = before is not None and position < OPENING_SENTENCES and before.n_tokens >= MIN_ANSWERED_TOKENS
            meant = before.voice if before is not None and near else others.only
            yield from _called(meant, read, sentence, Weight.CALLED if near else Weight.GREETED)
            called.append(read.name)
        for read, _ in _matches(sentence, table, "greeted", known):
            yield from _called(others.only, read, sentence, Weight.GREETED)
            called.append(read.name)
        for kind in ("asked", "presented"):
            for read, _ in _matches(sentence, table, kind, known):
                last_call = sentence, read
                called.append(read.name)
        for name in dict.fromkeys(called):
            yield NamedVoice(voice=turn.voice, name=name, weight=Weight.NOT_SELF, sentence=sentence)
    closing = turn.sentences[-CLOSING_SENTENCES:]
    if last_call and last_call[0] in closing:
        sentence, read = last_call
        yield from _called(others.after.voice if others.after else "", read, sentence, Weight.CALLED)


def _own(voice: str, sentence: Sentence, table: NamePhrases, known: _Known) -> Iterator[NamedVoice]:
    """Yield how a voice introduces itself; where a name is new to all lists, only with what follows it."""
    told = [(read, True) for read, _ in _matches(sentence, table, "own", known)]
    if not told:
        told = [
            (read, read.listed)
            for read, bounded in _matches(sentence, table, "own_likely", known)
            if read.listed or (not bounded and table.origin.search(read.rest))
        ]
    for read, listed in told[:1]:
        weight = Weight.OWN if listed else Weight.OWN / 2
        yield NamedVoice(voice=voice, name=read.name, weight=weight, sentence=sentence)


def _called(voice: str, read: ReadName, sentence: Sentence, weight: Weight) -> Iterator[NamedVoice]:
    if voice and voice != sentence.speaker:
        yield NamedVoice(voice=voice, name=read.name, weight=weight if read.listed else weight / 2, sentence=sentence)


def _matches(sentence: Sentence, table: NamePhrases, kind: str, known: _Known) -> Iterator[tuple[ReadName, bool]]:
    """Yield the names in phrases of a kind, and whether the phrase goes on behind the name."""
    found: tuple[Pattern[str], ...] = getattr(table, kind)
    for pattern in found:
        for match in pattern.finditer(sentence.clean):
            if read := _read(match, table, known, certain=kind == "own"):
                yield read, match.end() > match.end("person")


def _read(match: Match[str], table: NamePhrases, known: _Known, *, certain: bool) -> ReadName | None:
    if table.reported.search(match.string[: match.start()]):
        return None
    bounded = match.end() > match.end("person") or match.end("person") == match.start("person")
    phrase = match["person"] if bounded else match.string[match.start("person") :]
    read = read_name(phrase, table, known.names, certain=certain)
    if read is None or (bounded and read.rest.strip(" ,.?!，。？！")):
        return None
    if not read.listed and not match.start("person") and not set(read.name.casefold().split()) <= known.capitals:
        return None  # every sentence begins with a capital letter
    behind = read.rest or match.string[match.end("person") :]
    if certain and behind.lstrip().startswith(("?", "？")):
        return None  # "my name is Karen?"
    return None if not bounded and table.others.search(behind) else read
