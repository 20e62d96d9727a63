"""Where in a row the language changes: from probabilities of short windows to passages. Pure.

Whisper's guess for five seconds of speech is unsure where it is quiet, noisy or a name, so windows do not decide for
themselves. The passages are the likeliest path through all windows of a row (Viterbi), where each change of language
costs, and languages that were not expected cost more.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from math import exp, log

from pipelines.core import ChunkResult, LanguagePassage
from pipelines.transcript.coverage import LANGUAGE_DOUBTFUL
from pipelines.whisper.options import DecodeRequest
from pipelines.whisper.quality import compression_ratio
from pipelines.whisper.unheard import shift, shift_unheard

WINDOW_S = 5.0
"""Length of a window: shorter ones are guessed badly, longer ones hide what changes within them."""
CHANGE = 0.25
"""How likely a change of language from one window to the next is; what seems one is looked at again."""
EXPECTED = 0.6
"""Share of the prior that what is known of a channel has; the rest is that of any recording."""
SELDOM = 0.1
"""Weight of languages that are seldom recorded and that Whisper falls into where it understands nothing."""
SELDOM_SPOKEN = frozenset(
    {"bo", "br", "cy", "fo", "haw", "jw", "la", "ln", "lo", "mi", "nn", "oc", "sa", "sd", "sn", "so", "su", "tk", "yi"}
)
_FLOOR = 0.02
_NOTED = 0.1


@dataclass(frozen=True, kw_only=True)
class LanguageWindow:
    """A part of a row, in seconds of it, with the probability of each language.

    ``weight`` is how much it counts: 1 for a full window cut out of a row.
    """

    start_s: float
    end_s: float
    probabilities: Mapping[str, float]
    weight: float = 1.0


def language_prior(languages: Iterable[str], expected: Mapping[str, float]) -> dict[str, float]:
    """Return the probability of each of ``languages`` before anything is heard; they sum to 1.

    ``expected`` are shares of a channel that is known a little.
    """
    weights = {language: SELDOM if language in SELDOM_SPOKEN else 1.0 for language in languages}
    total, known = sum(weights.values()), sum(share for code, share in expected.items() if code in weights)
    part = EXPECTED if known else 0.0
    return {
        language: (1 - part) * weight / total + (part * expected.get(language, 0.0) / known if known else 0.0)
        for language, weight in weights.items()
    }


def find_passages(windows: Sequence[LanguageWindow], prior: Mapping[str, float]) -> tuple[LanguagePassage, ...]:
    """Return passages that tile the windows, neighbours in different languages: the likeliest."""
    path = _likeliest(windows, prior, _candidates(windows, prior))
    runs = groupby(zip(path, windows, strict=True), key=lambda step: step[0])
    return tuple(passage_of(language, [window for _, window in run], prior) for language, run in runs)


def find_language(windows: Sequence[LanguageWindow], prior: Mapping[str, float]) -> str:
    """Return the likeliest language of windows that are in one."""
    scores = _scores(windows, prior, _candidates(windows, prior))
    return max(scores, key=lambda code: scores[code])


def _candidates(windows: Sequence[LanguageWindow], prior: Mapping[str, float]) -> list[str]:
    """Return the languages worth comparing: those that a window or the prior speaks for, at least two."""
    heard = {code for window in windows for code, p in window.probabilities.items() if p >= _NOTED and code in prior}
    mean = {code: prior[code] * sum(window.probabilities.get(code, 0.0) for window in windows) for code in prior}
    likely = sorted(prior, key=lambda code: (-mean[code], -prior[code], code))[:2]
    return sorted(heard.union(likely, (code for code in prior if prior[code] >= _NOTED)))


def _evidence(window: LanguageWindow, language: str) -> float:
    """Return how much a window speaks for a language, in nats."""
    return window.weight * log(window.probabilities.get(language, 0.0) + _FLOOR)


def _likeliest(
    windows: Sequence[LanguageWindow], prior: Mapping[str, float], candidates: Sequence[str]
) -> tuple[str, ...]:
    """Return the likeliest language of each window."""
    foremost = max(prior.values())
    likely = {code: log(prior[code] / foremost) / 2 + _evidence(windows[0], code) for code in candidates}
    paths: dict[str, tuple[str, ...]] = {code: (code,) for code in candidates}
    for window in windows[1:]:
        best = max(candidates, key=lambda code: likely[code])
        scores, longer = {}, {}
        for code in candidates:
            change = likely[best] + log(CHANGE) + log(prior[code] / foremost) / 4
            stays = likely[code] >= change
            scores[code] = (likely[code] if stays else change) + _evidence(window, code)
            longer[code] = (*paths[code if stays else best], code)
        likely, paths = scores, longer
    return paths[max(candidates, key=lambda code: likely[code])]


def _scores(
    windows: Sequence[LanguageWindow], prior: Mapping[str, float], candidates: Iterable[str]
) -> dict[str, float]:
    return {code: log(prior[code]) + sum(_evidence(window, code) for window in windows) for code in candidates}


def passage_of(language: str, windows: Sequence[LanguageWindow], prior: Mapping[str, float]) -> LanguagePassage:
    """Make a passage in a language, as probable as its windows and the prior make it, from the first to the last."""
    candidates = {language, *_candidates(windows, prior)}
    scores = _scores(windows, prior, candidates)
    most = max(scores.values())
    weights = {code: exp(score - most) for code, score in scores.items()}
    total = sum(weights.values())
    runner_up = max((code for code in weights if code != language), key=lambda code: weights[code], default="")
    return LanguagePassage(
        start_s=windows[0].start_s,
        end_s=windows[-1].end_s,
        language=language,
        probability=round(weights[language] / total, 3),
        runner_up=runner_up,
        runner_up_probability=round(weights.get(runner_up, 0.0) / total, 3),
    )


def main_language(passages: Sequence[LanguagePassage]) -> str:
    """Return the language of most seconds; "" without passages."""
    seconds: defaultdict[str, float] = defaultdict(float)
    for passage in passages:
        seconds[passage.language] += passage.duration_s
    return max(seconds, key=lambda language: seconds[language], default="")


def swapped(passage: LanguagePassage) -> LanguagePassage:
    """Return a passage whose runner-up turned out to be its language."""
    return replace(
        passage,
        language=passage.runner_up,
        probability=passage.runner_up_probability,
        runner_up=passage.language,
        runner_up_probability=passage.probability,
    )


def with_doubt(result: ChunkResult, min_probability: float) -> ChunkResult:
    """Return a result that is suspect where there is text and the language of a passage is less probable than this."""
    unsure = any(passage.probability < min_probability for passage in result.passages)
    if not (unsure and result.segments) or LANGUAGE_DOUBTFUL in result.suspect:
        return result
    return replace(result, suspect=(*result.suspect, LANGUAGE_DOUBTFUL))


def join_passages(row: DecodeRequest, passages: Sequence[LanguagePassage], heard: Sequence[ChunkResult]) -> ChunkResult:
    """Join what was heard in the passages of a row, each counted from its own start.

    The likelihood is weighted by seconds, the temperature the highest. Raises nothing: where one failed, the row did.
    """
    failure = next((result for result in heard if result.error), None)
    if failure is not None:
        return failure
    parts = list(zip(passages, heard, strict=True))
    segments = tuple(
        replace(shift(segment, passage.start_s), language=passage.language)
        for passage, result in parts
        for segment in result.segments
    )
    shares = [passage.duration_s / row.duration_s for passage in passages]
    return with_doubt(
        ChunkResult(
            index=row.index,
            language=main_language(passages),
            segments=segments,
            avg_logprob=sum(share * result.avg_logprob for share, result in zip(shares, heard, strict=True)),
            no_speech_prob=min(result.no_speech_prob for result in heard),
            compression_ratio=compression_ratio("".join(segment.text for segment in segments)),
            temperature=max(result.temperature for result in heard),
            suspect=tuple(dict.fromkeys(rule for result in heard for rule in result.suspect)),
            unheard=tuple(shift_unheard(each, passage.start_s) for passage, result in parts for each in result.unheard),
            n_attempts=max(result.n_attempts for result in heard),
            passages=tuple(passages),
        ),
        row.options.min_language_probability,
    )
