"""Which languages a transcript's channels speak, for how long, and how surely. Pure."""

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pipelines.core import SAMPLE_RATE, Chunk, ChunkResult, LanguagePassage, LanguageVote, Span, SpokenLanguage


def spoken_languages(
    spans: Sequence[Span], results: Mapping[int, ChunkResult], votes: Mapping[int, LanguageVote]
) -> list[SpokenLanguage]:
    """Return the languages of each channel with speech, those of most seconds first.

    A language that was given has the probability 1. ``votes`` say how sure the language is of results that do not.
    """
    passages: dict[int, dict[str, list[LanguagePassage]]] = defaultdict(lambda: defaultdict(list))
    for chunk in (chunk for span in spans for chunk in span.chunks):
        result = results.get(chunk.index)
        if result is None or not result.language:
            continue
        for passage in result.passages or [_whole(chunk, result, votes.get(chunk.channel))]:
            passages[chunk.channel][passage.language].append(passage)
    found = [
        _spoken(channel, language, parts)
        for channel, languages in passages.items()
        for language, parts in languages.items()
    ]
    return sorted(found, key=lambda spoken: (spoken.channel, -spoken.seconds, spoken.language))


def _whole(chunk: Chunk, result: ChunkResult, vote: LanguageVote | None) -> LanguagePassage:
    probability = vote.probability if vote and vote.language == result.language else 1.0
    return LanguagePassage(
        start_s=0.0, end_s=chunk.n_samples / SAMPLE_RATE, language=result.language, probability=probability
    )


def _spoken(channel: int, language: str, parts: Sequence[LanguagePassage]) -> SpokenLanguage:
    seconds = sum(part.duration_s for part in parts)
    weighted = sum(part.probability * part.duration_s for part in parts)
    return SpokenLanguage(
        channel=channel,
        language=language,
        probability=round(weighted / seconds, 3) if seconds else 0.0,
        seconds=round(seconds, 1),
    )
