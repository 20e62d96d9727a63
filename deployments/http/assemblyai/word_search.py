"""Words and phrases looked for in a transcript, as AssemblyAI tells where they are."""

from collections import defaultdict
from collections.abc import Sequence

from pydantic import Field

from deployments.schemas.options import ApiModel
from pipelines.core import Transcript
from pipelines.errors import refused_option
from pipelines.export.spoken_words import SpokenWord, bare, spoken_words

MAX_PHRASES = 100
MAX_WORDS = 5


class WordMatch(ApiModel):
    """Where a word or phrase is."""

    text: str
    count: int
    timestamps: list[tuple[int, int]] = Field(description="Milliseconds.")
    indexes: list[int] = Field(description="Of its first word among the words of the transcript.")


class WordMatches(ApiModel):
    """Where several are; those that are nowhere are left out."""

    id: str
    total_count: int
    matches: list[WordMatch]


def phrases_in(words: str) -> list[str]:
    """Read phrases with commas between them; raises `InvalidOptions` for none, too many and too long ones."""
    found = list(dict.fromkeys(phrase for part in words.split(",") if (phrase := " ".join(part.split()))))
    if not found:
        raise refused_option("words", "is missing")
    if len(found) > MAX_PHRASES or any(len(phrase.split()) > MAX_WORDS for phrase in found):
        raise refused_option("words", f"may have {MAX_PHRASES} phrases of {MAX_WORDS} words at most")
    return found


def word_matches(job_id: str, transcript: Transcript, phrases: Sequence[str]) -> WordMatches:
    """Return where phrases are said, capitals and punctuation aside."""
    words = spoken_words(transcript)
    places: defaultdict[str, list[int]] = defaultdict(list)
    for index, word in enumerate(words):
        places[word.bare].append(index)
    matches = [match for phrase in phrases if (match := _match(phrase, words, places)).count]
    return WordMatches(id=job_id, total_count=sum(match.count for match in matches), matches=matches)


def _match(phrase: str, words: Sequence[SpokenWord], places: dict[str, list[int]]) -> WordMatch:
    wanted = [bare(part) for part in phrase.split()]
    n_words = len(wanted)
    indexes = [
        index for index in places.get(wanted[0], ()) if [word.bare for word in words[index : index + n_words]] == wanted
    ]
    spans = [(words[index], words[index + n_words - 1]) for index in indexes]
    return WordMatch(
        text=phrase,
        count=len(indexes),
        timestamps=[(round(first.start_s * 1000), round(last.end_s * 1000)) for first, last in spans],
        indexes=indexes,
    )
