"""Give voices their names, and tell how each is known. Pure."""

from collections.abc import Mapping
from dataclasses import replace

from pipelines.core import NameSource, Speaker, Transcript
from pipelines.minutes.language.sentences import Sentence, split_sentences
from pipelines.minutes.language.wording import is_chinese
from pipelines.minutes.naming.evidence import find_evidence, names_told, turns_of
from pipelines.minutes.naming.phrases import PHRASES, ZH, NamePhrases
from pipelines.minutes.naming.voting import vote
from pipelines.speakers.labelling import number_of
from pipelines.text.language_names import spoken_code


def with_names(transcript: Transcript, *, infer: bool = True) -> Transcript:
    """Name the numbered speakers of a transcript by what is said, and list all its speakers.

    Who is listed already was recognised, and gets that name, which nobody else gets by what is said. Speakers who are
    called otherwise have the name of their channel. Without ``infer`` nobody is named by what is said.
    """
    recognised = {speaker.label: speaker for speaker in transcript.speakers}
    labels = dict.fromkeys(segment.speaker for segment in transcript.segments if segment.speaker)
    taken = [label for label in labels if not number_of(label)] + [each.name for each in recognised.values()]
    sentences = split_sentences(transcript)
    phrases = _phrases(transcript, sentences)
    told = names_told(sentences, phrases)
    found = vote(find_evidence(turns_of(sentences), phrases, told), taken) if infer else {}
    speakers = []
    for label in labels:
        if label in recognised:
            speaker = recognised[label]
        elif not number_of(label):
            speaker = Speaker(label=label, name=label, source=NameSource.CHANNEL)
        elif label in found:
            name = found[label]
            speaker = Speaker(label=label, name=name.name, source=NameSource.INFERRED, evidence=name.evidence)
        else:
            speaker = Speaker(label=label, name=label, source=NameSource.UNNAMED)
        speakers.append(speaker)
    names = {speaker.label: speaker.name for speaker in speakers}
    segments = (replace(each, speaker=names.get(each.speaker, each.speaker)) for each in transcript.segments)
    return replace(transcript, segments=tuple(segments), speakers=tuple(speakers))


def _phrases(transcript: Transcript, sentences: tuple[Sentence, ...]) -> Mapping[int, NamePhrases]:
    """Return the phrases for each sentence: of its language, of what it is written in, else English."""
    languages = {segment.id: segment.language for segment in transcript.segments}
    found: dict[int, NamePhrases] = {}
    for sentence in sentences:
        code = spoken_code(languages[sentence.segment_ids[0]] or transcript.language)
        if is_chinese(sentence.text) and code != "ja":
            found[sentence.index] = ZH
        elif table := PHRASES.get(code or "en"):
            found[sentence.index] = PHRASES["en"] if table is ZH else table
    return found
