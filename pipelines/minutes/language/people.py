"""Find the participants: speakers, those who introduced themselves, and those who were spoken to."""

import re
from collections.abc import Iterable

from pipelines.core import Transcript
from pipelines.minutes.language.cues import Cues
from pipelines.minutes.language.names import ChineseNames, EnglishNames, NameFinder
from pipelines.minutes.language.sentences import Sentence

# What diarisation calls a voice it cannot name, and recorders a sound track (`pipelines.transcript.channel_names`).
# "Agent" is what a submitter calls a party, "agent 2" is nobody's name.
_LABEL = re.compile(
    r"(?:(?:caller|agent)(?=[ _#-]*\d)|speaker|spk|channel|voice|说话人|发言人|声道"
    r"|track|mic(?:rophone)?|(?:desktop|system|computer|game)(?: audio| sound)?|音轨|麦克风|桌面)?"
    r"[ _#-]*\d*(?: \([\w-]+\))?(?: \d+)?",
    re.IGNORECASE,
)


def named_speakers(transcript: Transcript) -> tuple[str, ...]:
    """Return the speakers of a transcript that have a name of their own, in the order of speaking."""
    labels = dict.fromkeys(segment.speaker.strip() for segment in transcript.segments)
    return tuple(label for label in labels if label and not _LABEL.fullmatch(label))


def name_finder(sentences: Iterable[Sentence], speakers: Iterable[str], cues: Cues) -> NameFinder:
    """Return a finder that knows the speakers' names and what the transcript itself gives away."""
    if cues.chinese:
        return ChineseNames(known=frozenset(speakers))
    return EnglishNames.learn(sentences, speakers)


def find_participants(
    sentences: Iterable[Sentence], speakers: Iterable[str], cues: Cues, names: NameFinder
) -> tuple[str, ...]:
    """Return names of those who took part, as spoken, in the order in which they appear.

    Someone only talked about is no participant; neither is one who "cannot join".
    """
    found: dict[str, str] = {speaker.casefold(): speaker for speaker in speakers}
    absent: set[str] = set()
    for sentence in sentences:
        for pattern in (*cues.introduction, *cues.address):
            for match in pattern.finditer(sentence.clean):
                for name in _people(match.group("person"), names):
                    found.setdefault(name.casefold(), name)
        for pattern in cues.absent:
            for match in pattern.finditer(sentence.clean):
                absent.update(name.casefold() for name in _people(match.group("person"), names, at_end=True))
    present = [name for key, name in found.items() if key not in absent]
    return tuple(
        name
        for name in present
        # "Alice" is "Alice Smith" when only one of them is so called.
        if not any(other != name and name.casefold() in other.casefold().split() for other in present)
    )


def _people(phrase: str, names: NameFinder, *, at_end: bool = False) -> list[str]:
    if at_end:
        name = names.at_end(phrase)
    else:
        start = names.at_start(phrase)
        name = start[0] if start else None
    if name is None or re.search(r"\b(?:team|department|group|committee)$|[部组]$|团队$|部门$|小组$|公司$|中心$", name):
        return []
    return [part for part in re.split(r",? and |, | & ", name) if part]
