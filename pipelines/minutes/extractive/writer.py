"""Minutes without a language model: sentences that were spoken, chosen and sorted by rules.

1. `split_sentences` cuts the transcript into sentences that know their segments.
2. `find_actions`, `find_decisions` and `find_open_questions` pick what cue phrases give away.
3. `split_topics` cuts the meeting where its words change; `rank` and `select` choose what stands for it.
4. `verify` checks the result as it checks any writer's.
"""

import asyncio
import math
from collections.abc import Sequence

from pipelines.core import Evidence, Minutes, Topic, Transcript
from pipelines.minutes.by_voice import by_voice
from pipelines.minutes.extractive.actions import find_actions
from pipelines.minutes.extractive.decisions import find_decisions
from pipelines.minutes.extractive.questions import asks, find_open_questions
from pipelines.minutes.extractive.ranking import Scores, rank, select
from pipelines.minutes.extractive.topics import meeting_name, split_topics, topic_titles
from pipelines.minutes.finishing import finish, unwritten
from pipelines.minutes.language.people import find_participants, name_finder, named_speakers
from pipelines.minutes.language.registry import cues_for, spoken_language
from pipelines.minutes.language.sentences import Sentence, split_sentences
from pipelines.minutes.language.stopwords import MIXED, StopWords
from pipelines.minutes.language.terms import TOKENS_PER_WORD_ZH
from pipelines.minutes.language.wording import as_sentence, join, opening
from pipelines.minutes.protocol import MinutesOptions
from pipelines.minutes.verification import verify
from pipelines.transcript.findings import has_words

MODEL = "extractive-1"
TOPIC_SUMMARY_TOKENS = 45
# In a summary: a question tells little, a decision much.
QUESTION_WEIGHT = 0.7
DECISION_WEIGHT = 1.5


class ExtractiveWriter:
    """Writes minutes from spoken sentences only; needs no key, no network and no model."""

    async def write(self, transcript: Transcript, options: MinutesOptions) -> Minutes:
        """Write minutes, off the event loop; see `Writer.write`.

        Raises ``MinutesError`` when ``options.language`` is not the language that was spoken.
        """
        return await asyncio.to_thread(write_minutes, transcript, options)


def write_minutes(transcript: Transcript, options: MinutesOptions) -> Minutes:
    """Write minutes as `ExtractiveWriter.write` does, without an event loop."""
    if not has_words(transcript):
        return unwritten(options)
    return finish(by_voice(verify(draft_minutes(transcript, options), transcript), transcript), options)


def draft_minutes(transcript: Transcript, options: MinutesOptions) -> Minutes:
    """Return the minutes before they are verified."""
    language = spoken_language(transcript, options.language)
    cues = cues_for(language, transcript.text)
    sentences = split_sentences(transcript)
    speakers = named_speakers(transcript)
    names = name_finder(sentences, speakers, cues)
    participants = find_participants(sentences, speakers, cues, names)
    names = name_finder(sentences, participants, cues)
    actions = find_actions(sentences, cues, names)
    requests = frozenset(action.sentence for action in actions)
    decisions = find_decisions(sentences, cues, names)
    decided = {decision.evidence.quote for decision in decisions}
    weights = {sentence.index: QUESTION_WEIGHT for sentence in sentences if asks(sentence, cues)}
    weights |= {sentence.index: DECISION_WEIGHT for sentence in sentences if sentence.text in decided}
    scores = rank(sentences, weights, cues.stops)
    stretches = split_topics(sentences, cues)
    fallback = "会议" if cues.chinese else "Meeting"
    titles = topic_titles(stretches, fallback if cues.stops is MIXED else "", participants, cues.stops)
    topics = tuple(
        topic
        for stretch, title in zip(stretches, titles, strict=True)
        if (topic := _topic(title, stretch.sentences, scores, cues.stops)) is not None
    )
    main = max(topics, key=lambda topic: topic.end_s - topic.start_s, default=None)
    summary = select(sentences, scores, summary_tokens(transcript.duration_s, chinese=cues.chinese), cues.stops)
    return Minutes(
        title=meeting_name(sentences, cues) or (main.title if main else fallback),
        language=language,
        writer="extractive",
        model=MODEL,
        summary=join(as_sentence(sentence.clean) for sentence in summary),
        participants=participants,
        topics=topics,
        decisions=decisions,
        action_items=tuple(action.item for action in actions),
        open_questions=find_open_questions(sentences, cues, requests),
    )


def summary_tokens(duration_s: float, *, chinese: bool) -> int:
    """Return the length of a summary in tokens; it grows with the logarithm of the meeting's length."""
    n_words = 25 + 16 * math.log2(1 + max(0.0, duration_s) / 60)
    return round(n_words * (TOKENS_PER_WORD_ZH if chinese else 1))


def _topic(title: str, sentences: Sequence[Sentence], scores: Scores, stops: StopWords) -> Topic | None:
    chosen = select(sentences, scores[sentences[0].index : sentences[-1].index + 1], TOPIC_SUMMARY_TOKENS, stops)
    if not chosen:
        return None
    cited = tuple(dict.fromkeys(segment_id for sentence in chosen for segment_id in sentence.segment_ids))
    return Topic(
        title=title or opening(chosen[0].clean),
        summary=join(as_sentence(sentence.clean) for sentence in chosen),
        start_s=sentences[0].start_s,
        end_s=max(sentence.end_s for sentence in sentences),
        evidence=Evidence(segment_ids=cited, quote=chosen[0].text),
    )
