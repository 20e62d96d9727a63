"""Weigh the evidence: which voice has which name. A contradiction leaves a voice without one."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from pipelines.core import Evidence
from pipelines.minutes.naming.evidence import NamedVoice
from pipelines.minutes.naming.reading import words_of

MIN_WEIGHT = 2.0
"""Somebody once thanked or asked by name, and nothing against it."""
CLEARLY = 2.0
"""So many times the weight of any other name of the voice, and of any other voice of the name."""
MAX_EVIDENCE = 5


@dataclass(frozen=True, kw_only=True)
class InferredName:
    """The name of a voice, with the strongest evidence first."""

    name: str
    evidence: tuple[Evidence, ...]


def vote(found: Iterable[NamedVoice], taken: Collection[str] = ()) -> Mapping[str, InferredName]:
    """Return the names of voices whose evidence agrees; a name in ``taken`` is another's already."""
    told = list(found)
    people = _people({each.name for each in told})
    weights: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    proofs: dict[tuple[str, str], list[NamedVoice]] = defaultdict(list)
    strongest: dict[tuple[str, str, int], NamedVoice] = {}
    for each in told:
        key = people[each.name], each.voice, each.sentence.index  # a sentence tells a thing once
        if key not in strongest or abs(each.weight) > abs(strongest[key].weight):
            strongest[key] = each
    for (person, voice, _), each in strongest.items():
        if person:
            weights[person][voice] += each.weight
            if each.weight > 0:
                proofs[person, voice].append(each)
    others = {words_of(name) for name in taken}
    named: dict[str, InferredName] = {}
    for person, by_voice in weights.items():
        if any(_same(words_of(person), other) for other in others):
            continue
        for voice, weight in by_voice.items():
            rivals = [weights[other].get(voice, 0.0) for other in weights if other != person]
            rivals += [other for at, other in by_voice.items() if at != voice]
            if weight >= MIN_WEIGHT and all(weight >= CLEARLY * rival for rival in rivals):
                named[voice] = InferredName(name=person, evidence=_evidence(proofs[person, voice]))
    return named


def _people(names: Iterable[str]) -> Mapping[str, str]:
    """Return who is meant by each name: the longest that it may be short for, "" where those are several."""
    by_words = {name: words_of(name) for name in sorted(names)}
    full: dict[str, str] = {}
    for name, words in by_words.items():
        longer = [other for other, own in by_words.items() if set(words) < set(own)]
        longest = [other for other in longer if not any(set(by_words[other]) < set(by_words[far]) for far in longer)]
        if len({by_words[other] for other in longest}) > 1:
            full[name] = ""
            continue
        equal = [other for other, own in by_words.items() if own == (by_words[longest[0]] if longest else words)]
        full[name] = max(equal, key=len)  # with a title, where one was said
    return full


def _same(first: tuple[str, ...], second: tuple[str, ...]) -> bool:
    return set(first) <= set(second) or set(second) <= set(first)


def _evidence(proofs: Iterable[NamedVoice]) -> tuple[Evidence, ...]:
    ordered = sorted(proofs, key=lambda each: (-each.weight, each.sentence.index))
    return tuple(dict.fromkeys(each.sentence.evidence for each in ordered))[:MAX_EVIDENCE]
