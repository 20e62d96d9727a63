"""Split a meeting into topics, by what speakers announce and by signs that a subject ends, and name them."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from pipelines.minutes.extractive.boundaries import THRESHOLD, boundary_evidence
from pipelines.minutes.extractive.keyphrases import as_spoken, count_phrases, key_phrases
from pipelines.minutes.extractive.questions import asks
from pipelines.minutes.language.cues import Cues, first_match
from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.stopwords import ENGLISH, MIXED, StopWords
from pipelines.minutes.language.terms import TOKENS_PER_WORD_ZH, inverse_document_frequency, terms
from pipelines.minutes.language.wording import sentence_case, tokens

MIN_SENTENCES = 3
# Between two topics that nobody announced.
MIN_WORDS = 600
# Announced topics are the chair's own; the others are guesses, and fewer.
MAX_TOPICS = 15
MAX_ANNOUNCED = 60
MAX_TITLE_WORDS = 6
MAX_TITLE_IDEOGRAPHS = 16
# An announcement that names nothing, though a topic begins there.
_UNNAMED_ZH = re.compile(r"^[的来问由请聊谈]|是不是|[吗呢]$|这个|那个|^(?:.?|第.个)(?:议题|话题|环节|问题)$|作答")
# Speech that goes on after "next", not the name of a topic.
_NO_TITLE_ZH = ("就是", "就说", "就", "再", "还", "把", "给", "有", "是", "所以", "因为", "那", "这", "可能", "应该")


@dataclass(frozen=True, kw_only=True)
class Stretch:
    """Consecutive sentences on one subject; ``announced`` is what a speaker called it, "" if nobody did."""

    sentences: tuple[Sentence, ...]
    announced: str = ""


def split_topics(sentences: Sequence[Sentence], cues: Cues) -> tuple[Stretch, ...]:
    """Cut a meeting into stretches on one subject each; every sentence is in exactly one, in order."""
    if not sentences:
        return ()
    announced = {
        index: title
        for index, sentence in enumerate(sentences)
        if not asks(sentence, cues) and (title := _announced(sentence, cues))
    }
    starts = _starts(sentences, cues, sorted(announced))
    bounds = zip(starts, [*starts[1:], len(sentences)], strict=True)
    return tuple(
        Stretch(
            sentences=tuple(sentences[start:end]),
            announced=next((announced[index] for index in range(start, min(start + 2, end)) if index in announced), ""),
        )
        for start, end in bounds
    )


def _starts(sentences: Sequence[Sentence], cues: Cues, announced: Sequence[int]) -> list[int]:
    """Return the indices at which topics start, in order: the first sentence, what is announced, what is evident."""
    n_words = np.array(
        [len(tokens(sentence.clean)) / (TOKENS_PER_WORD_ZH if cues.chinese else 1) for sentence in sentences]
    )
    before = np.concatenate([[0.0], n_words.cumsum()])
    whole = float(before[-1])
    starts = [0]
    for index in announced:
        far = before[index] - before[starts[-1]] >= min(MIN_WORDS, whole / MAX_ANNOUNCED)
        if far and min(index - starts[-1], len(sentences) - index) >= MIN_SENTENCES and len(starts) < MAX_ANNOUNCED:
            starts.append(index)
    evidence = boundary_evidence(sentences, n_words, cues)
    for index in (int(index) for index in np.argsort(-evidence, kind="stable")):
        if evidence[index] < THRESHOLD or len(starts) >= MAX_TOPICS:
            break
        if not MIN_WORDS / 2 <= before[index] <= whole - MIN_WORDS / 2:
            continue
        if all(abs(before[index] - before[start]) >= MIN_WORDS for start in starts[1:]):
            starts.append(index)
    return sorted(starts)


def _announced(sentence: Sentence, cues: Cues) -> str:
    match = first_match(cues.topic_shift, sentence.clean)
    if match is None:
        return ""
    what = re.split(r"[,.;:?!，。；：？！]| in the | because | so that | and then ", match.group("what"))[0].strip()
    if cues.chinese:
        if what.startswith(_NO_TITLE_ZH):
            return ""
        return what if terms(what) and len(what) <= MAX_TITLE_IDEOGRAPHS else ""
    words = what.split()
    while words and words[0].casefold() in ENGLISH:
        words = words[1:]
    while words and words[-1].casefold() in ENGLISH:
        words = words[:-1]
    return " ".join(words) if 0 < len(words) <= MAX_TITLE_WORDS and terms(" ".join(words)) else ""


def meeting_name(sentences: Iterable[Sentence], cues: Cues) -> str:
    """Return what the chair calls the meeting when it opens, "" if nobody says."""
    for sentence in sentences:
        match = first_match(cues.meeting_name, sentence.clean)
        if match:
            return sentence_case(match.group("what"))
    return ""


def _headline(phrases: Sequence[str], stops: StopWords) -> str:
    """Return key phrases as a headline; a second phrase that the first holds, or holds the first, is left out."""
    longest = [one for one in phrases if not any(one != other and one in other for other in phrases)]
    if any(len(tokens(phrase)) > 1 and " " not in phrase for phrase in longest):
        return "与".join(longest) if stops.chinese else "、".join(longest)
    return (" and " if stops.english else ", ").join(longest)


def topic_titles(
    stretches: Sequence[Stretch], fallback: str, people: Iterable[str] = (), stops: StopWords = MIXED
) -> list[str]:
    """Return a title per stretch: as announced, else its key phrases (no ``people``), else ``fallback``.

    Where no stop words are known, what is said most is function words: there are no key phrases then, and titles "".
    """
    announced = ["" if _UNNAMED_ZH.search(stretch.announced) else stretch.announced for stretch in stretches]
    if not stops.is_listed:
        return [sentence_case(title) for title in announced]
    names = frozenset(name.casefold() for name in people)
    counts = [count_phrases(stretch.sentences, names, stops) for stretch in stretches]
    idf = inverse_document_frequency(counts)
    titles = []
    for stretch, given, phrases in zip(stretches, announced, counts, strict=True):
        title = given or _headline(as_spoken(key_phrases(phrases, idf, 2), stretch.sentences), stops)
        titles.append(sentence_case(title) or fallback)
    return titles
