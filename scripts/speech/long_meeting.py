"""Meetings of any length: a scripted generator walks through hand-written topics until the time is up.

Every topic follows the same arc with varying sentences: introduction, report, doubt, answer, decision, task and
sometimes an open question. All words belong to the bundled model's vocabulary.
"""

from collections.abc import Iterator, Sequence
from random import Random

from scripts.speech.stage import Line, Recording, Role, Stage
from scripts.speech.topics import TOPICS, Topic
from scripts.speech.truth import TrueAction

PEOPLE = {
    # voice: (name, team, tempo)
    "slt": ("Alice", "product", 1.0),
    "rms": ("David", "engineering", 1.1),
    "awb": ("Thomas", "finance", 1.0),
    "kal16": ("Oscar", "infrastructure", 1.0),
    "en-us": ("Victor", "support", 1.0),
    "en-us+m3": ("Kevin", "platform", 1.0),
    "en-us+m7": ("Robert", "security", 1.0),
    "en-us+f2": ("Emma", "marketing", 1.0),
    "en-us+f3": ("Grace", "design", 1.0),
    "en-us+f4": ("Nancy", "hiring", 1.0),
    "en-gb": ("Peter", "operations", 1.0),
    "en-gb+m3": ("Martin", "sales", 1.0),
    "en-gb+m7": ("Henry", "legal", 1.0),
    "en-gb+f2": ("Laura", "research", 1.0),
    "en-gb+f3": ("Wendy", "data", 1.0),
    "en-gb+f4": ("Olivia", "support", 1.0),
}

_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday")
_HOURS = ("eight", "nine", "ten", "eleven", "twelve")
_AGREEMENT = (
    "Yes, I agree.",
    "Right, that makes sense.",
    "Okay, that works for me.",
    "Exactly, you are right.",
    "Great, that sounds good.",
    "Sure, we can do that.",
)


def check_voices(voices: Sequence[str]) -> None:
    """Raise ``ValueError`` for fewer than two voices, voices given twice and unknown ones."""
    if len(set(voices)) < max(2, len(voices)):
        raise ValueError("a meeting needs at least two different voices")
    if unknown := [voice for voice in voices if voice not in PEOPLE]:
        raise ValueError(f"unknown voices: {', '.join(unknown)}; there are {', '.join(PEOPLE)}")


def long_meeting(minutes: float, voices: Sequence[str], rng: Random) -> Recording:
    """Speak a meeting of about ``minutes`` (within half a topic, some 20 s) with two or more different ``voices``.

    The first voice leads. Topics come in random order and again in another one when all are used up.
    Raises what `check_voices` raises.
    """
    check_voices(voices)
    names = [PEOPLE[voice][0] for voice in voices]
    cast = {
        name: Role(voice=voice, rate=PEOPLE[voice][2], gain=rng.uniform(0.55, 0.95))
        for name, voice in zip(names, voices, strict=True)
    }
    stage = Stage(cast, rng)
    for line in _opening(names, voices):
        stage.say(line)
    for number, topic in enumerate(_endless_topics(rng)):
        if stage.seconds > minutes * 60 - _HALF_A_TOPIC_S:
            break
        for line in _arc(topic, first=number == 0, names=names, rng=rng):
            stage.say(line)
    for line in _closing(names, rng):
        stage.say(line)
    return stage.record()


_HALF_A_TOPIC_S = 25.0


def _endless_topics(rng: Random) -> Iterator[Topic]:
    while True:
        yield from rng.sample(TOPICS, len(TOPICS))


def _opening(names: Sequence[str], voices: Sequence[str]) -> Iterator[Line]:
    chair = names[0]
    yield Line(speaker=chair, text="Good afternoon everyone, let's get started.")
    yield Line(speaker=chair, text=f"Welcome to the {PEOPLE[voices[0]][1]} meeting.")
    for name, voice in zip(names, voices, strict=True):
        yield Line(speaker=name, text=f"Hello, this is {name} from {PEOPLE[voice][1]}.")


def _arc(topic: Topic, *, first: bool, names: Sequence[str], rng: Random) -> Iterator[Line]:
    """Yield the conversation about one topic."""
    chair = names[0]
    owner = rng.choice(names[1:])
    critic = rng.choice([name for name in names if name != owner])
    helper = rng.choice([name for name in names if name != owner])

    opening = rng.choice(("Let's move on to the {}.", "The next item on the agenda is the {}."))
    text = ("The first point is the {}." if first else opening).format(topic.title)
    yield Line(speaker=chair, text=text, pause_s=rng.uniform(1.2, 2.8), topic=f"the {topic.title}")
    yield Line(speaker=chair, text=f"{owner}, what do you think about the {topic.title}?")
    for sentence in topic.report:
        yield Line(speaker=owner, text=sentence)
    yield Line(speaker=critic, text=topic.doubt)
    yield Line(speaker=owner, text=topic.answer)
    if rng.random() < 0.6:
        yield Line(speaker=critic, text=rng.choice(_AGREEMENT), pause_s=0.3)
    yield Line(speaker=helper, text=f"If we {topic.remedy}, we can {topic.gain} too.")
    yield _decision(topic, chair, rng)
    yield _task(topic.tasks[0], owner, topic.partner, chair, rng)
    yield Line(speaker=owner, text=rng.choice(_AGREEMENT), pause_s=0.3)
    if helper != chair and rng.random() < 0.6:
        yield _task(topic.tasks[1], helper, topic.partner, chair, rng)
    if rng.random() < 0.35:
        question = f"how to {topic.question}"
        yield Line(speaker=critic, text=f"The open question is {question}.", question=question)
    if rng.random() < 0.5:
        yield Line(speaker=chair, text=f"Thank you, {owner}.")


def _decision(topic: Topic, chair: str, rng: Random) -> Line:
    text = rng.choice((f"We decided to {topic.remedy}.", f"We decided to {topic.remedy} {topic.reason}."))
    return Line(speaker=chair, text=text, decision=topic.remedy)


def _task(task: str, owner: str, partner: str, chair: str, rng: Random) -> Line:
    day = rng.choice(_DAYS)
    text, due = rng.choice(
        (
            (f"{owner} will {task} by {day}.", day),
            (f"{owner} will {task} by {day}.", day),
            (f"Action item for {owner}, {task} with the {partner} team.", None),
            (f"{owner}, please {task} tomorrow.", "tomorrow"),
        )
    )
    return Line(speaker=chair, text=text, action=TrueAction(owner=owner, task=task, due=due))


def _closing(names: Sequence[str], rng: Random) -> Iterator[Line]:
    yield Line(speaker=names[0], text="Are there any other comments on the agenda?", pause_s=1.5, ends_topic=True)
    yield Line(speaker=names[-1], text="No, that sounds good.")
    yield Line(speaker=names[0], text=f"The next meeting is on {rng.choice(_DAYS)} at {rng.choice(_HOURS)} o'clock.")
    yield Line(speaker=names[0], text="The meeting is closed, thank you everyone.")
