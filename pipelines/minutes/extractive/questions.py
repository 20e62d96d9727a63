"""Questions that nobody answered."""

from collections.abc import Sequence

from pipelines.core import OpenQuestion
from pipelines.minutes.language.cues import Cues, first_match
from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.terms import terms
from pipelines.minutes.language.wording import sentence_case, tokens

N_ANSWER_SENTENCES = 4
MIN_TERMS = 2
MAX_TOKENS = 40
MAX_QUESTIONS = 10


def asks(sentence: Sentence, cues: Cues) -> bool:
    """Return whether a sentence is a question, by its mark or by the order of its words."""
    return first_match(cues.question, sentence.clean) is not None


def find_open_questions(
    sentences: Sequence[Sentence], cues: Cues, requests: frozenset[int] = frozenset()
) -> tuple[OpenQuestion, ...]:
    """Find questions said to be open, and questions with no answer in the sentences after them.

    ``requests`` are indices of sentences that ask for work ("can you send it?"), which are tasks.
    """
    stated: dict[str, tuple[int, OpenQuestion]] = {}
    asked: dict[str, tuple[int, OpenQuestion]] = {}
    for index, sentence in enumerate(sentences):
        key = " ".join(tokens(sentence.clean))
        question = OpenQuestion(text=sentence_case(sentence.clean), evidence=sentence.evidence)
        if not sentence.clean.endswith(("?", "？", "؟")) and first_match(cues.explicit_question, sentence.clean):
            stated.setdefault(key, (index, question))
        elif (
            asks(sentence, cues)
            and sentence.index not in requests
            and _is_substantial(sentence, cues)
            and not _answered(sentences, index, cues)
        ):
            asked.setdefault(key, (index, question))
    # A long meeting has many loose ends: those with most content stay.
    longest = sorted(asked.values(), key=lambda item: -len(set(terms(item[1].text, cues.stops))))
    kept = [*stated.values(), *longest[: max(0, MAX_QUESTIONS - len(stated))]]
    return tuple(question for _, question in sorted(kept, key=lambda item: item[0]))


def _is_substantial(sentence: Sentence, cues: Cues) -> bool:
    return (
        len(set(terms(sentence.clean, cues.stops))) >= MIN_TERMS
        and len(tokens(sentence.clean)) <= MAX_TOKENS
        and not first_match(cues.tag_question, sentence.clean)
        and not first_match(cues.procedural_question, sentence.clean)
    )


def _answered(sentences: Sequence[Sentence], index: int, cues: Cues) -> bool:
    """Say whether one of the next sentences replies: a statement by another speaker, or in the question's words."""
    question = sentences[index]
    asked = set(terms(question.clean, cues.stops))
    following = sentences[index + 1 : index + 1 + N_ANSWER_SENTENCES]
    if question.speaker and len(following) > 1 and all(reply.speaker == question.speaker for reply in following):
        return True  # one who goes on speaking asks for effect
    for position, reply in enumerate(following):
        if first_match(cues.no_answer, reply.clean):
            return False
        if asks(reply, cues):
            if position == 0 and reply.speaker == question.speaker and set(terms(reply.clean, cues.stops)) & asked:
                return True  # asked again in other words: the last wording counts
            continue
        others = question.speaker and reply.speaker and reply.speaker != question.speaker
        if others and len(tokens(reply.clean)) >= 4:
            return True
        if (position == 0 or others) and first_match(cues.answer, reply.clean):
            return True
        if len(set(terms(reply.clean, cues.stops)) & asked) >= min(2, len(asked)):
            return True
    return False
