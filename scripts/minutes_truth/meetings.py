"""Meetings whose truth is known: decisions, tasks and questions are planted in talk, made up or taken from a corpus."""

# ruff: noqa: SIM905  (lists of words are easier to read as text)

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pipelines.core import ModelInfo, Segment, Transcript

SECONDS_PER_LINE = 5.0
LANGUAGES = ("en", "en", "zh", "en", "de")

_NAMES = {
    "en": ("Alice", "Bob", "Carol", "David", "Emma", "Frank"),
    "de": ("Anna", "Klaus", "Monika", "Stefan", "Sabine", "Jonas"),
    "zh": ("张伟", "李娜", "王芳", "刘洋", "陈静", "赵磊"),
}
_ABSENT = {"en": "Walter", "de": "Walter", "zh": "孙总"}
_THINGS = {
    "en": "library museum garden harbour bakery kitchen bridge airport warehouse theatre station market".split(),
    "de": "Bibliothek Werkstatt Brücke Halle Küche Garage Bäckerei Schule Kantine Fabrik Galerie Turnhalle".split(),
    "zh": "图书馆 博物馆 花园 码头 面包店 厨房 大桥 机场 仓库 剧院 车站 市场".split(),
}
# Who speaks (0 or 1), and the words; "decision", "task" and "question" are planted.
_LINES: Mapping[str, Sequence[tuple[str, int, str]]] = {
    "en": (
        ("greeting", 0, "Good morning {b}, this is {a}. Let us begin."),
        ("greeting", 1, "Good morning {a}. I have looked at the {x0} and at the {x8}."),
        ("decision", 0, "We decided to renovate the {x2} for {n} thousand euros."),
        ("denial", 1, "We decided not to sell the {x3}, because {w} likes it."),
        ("move", 0, "And we agreed to move the {x0} next to the {x8}."),
        ("task", 0, "{b} will write the report about the {x4} by Friday."),
        ("call", 0, "I will call the supplier of the {x5} tomorrow."),
        ("question", 1, "Who pays for the {x6}?"),
        ("doubt", 1, "Should we close the {x7} in summer?"),
        ("end", 0, "Thank you all, that was everything for today."),
    ),
    "de": (
        ("greeting", 0, "Guten Morgen {b}, hier ist {a}. Fangen wir an."),
        ("greeting", 1, "Guten Morgen {a}. Ich habe mir die {x0} und die {x8} angesehen."),
        ("decision", 0, "Wir haben beschlossen, die {x2} für {n}.000 Euro zu renovieren."),
        ("denial", 1, "Wir haben beschlossen, die {x3} nicht zu verkaufen, weil {w} sie mag."),
        ("move", 0, "Und wir verlegen die {x0} neben die {x8}, das ist beschlossen."),
        ("task", 0, "{b} soll bis Freitag den Bericht über die {x4} schreiben."),
        ("call", 0, "Ich rufe morgen den Lieferanten der {x5} an."),
        ("question", 1, "Wer bezahlt die {x6}?"),
        ("doubt", 1, "Sollen wir die {x7} im Sommer schließen?"),
        ("end", 0, "Vielen Dank, das war alles für heute."),
    ),
    "zh": (
        ("greeting", 0, "早上好{b}，我是{a}。我们开始吧。"),
        ("greeting", 1, "谢谢{a}，我看了{x0}和{x8}的情况。"),
        ("decision", 0, "我们决定花{n}万元翻修{x2}。"),
        ("denial", 1, "我们决定不卖{x3}，因为{w}很喜欢。"),
        ("move", 0, "我们同意把{x0}搬到{x8}旁边。"),
        ("task", 0, "由{b}负责写{x4}的报告，周五之前完成。"),
        ("call", 0, "我明天联系{x5}的供应商。"),
        ("question", 1, "谁来付{x6}的钱？"),
        ("doubt", 1, "夏天要不要关掉{x7}？"),
        ("end", 0, "谢谢大家，今天就到这里。"),
    ),
}
_FILLER = {
    "en": "About the {0} and the {1} there is not much to say at the moment.",
    "de": "Über die {0} und die {1} gibt es im Moment nicht viel zu sagen.",
    "zh": "关于{0}和{1}目前没有太多可以说的。",
}
_TRUTH: Mapping[str, Mapping[str, str]] = {
    "en": {
        "title": "{x2} and {x3}",
        "summary": "{b} and {a} looked at the {x0}. The {x2} will be renovated for {n},000 euros. "
        "{b} writes the report about the {x4} by Friday.",
        "decision": "Renovate the {x2} for {n},000 euros",
        "denial": "Not to sell the {x3}",
        "move": "We agreed to move the {x0} next to the {x8}",
        "task": "Write the report about the {x4}",
        "due": "by Friday",
        "call": "Call the supplier of the {x5}",
        "call due": "tomorrow",
    },
    "de": {
        "title": "{x2} und {x3}",
        "summary": "{b} hat sich die {x0} angesehen. Die {x2} soll für {n}.000 Euro renoviert werden. "
        "{b} soll bis Freitag den Bericht über die {x4} schreiben.",
        "decision": "Die {x2} für {n}.000 Euro renovieren",
        "denial": "Die {x3} nicht verkaufen",
        "move": "Wir verlegen die {x0} neben die {x8}",
        "task": "Den Bericht über die {x4} schreiben",
        "due": "bis Freitag",
        "call": "Den Lieferanten der {x5} anrufen",
        "call due": "morgen",
    },
    "zh": {
        "title": "{x2}和{x3}",
        "summary": "{b}看了{x0}的情况。会议决定花{n}万元翻修{x2}。{b}负责周五之前完成{x4}的报告。",
        "decision": "花{n}万元翻修{x2}",
        "denial": "不卖{x3}",
        "move": "把{x0}搬到{x8}旁边",
        "task": "写{x4}的报告",
        "due": "周五之前",
        "call": "联系{x5}的供应商",
        "call due": "明天",
    },
}


@dataclass(frozen=True, kw_only=True)
class Meeting:
    """A transcript, its words by what they are (``fields``), the segments of planted lines, and the true answer."""

    transcript: Transcript
    language: str
    fields: Mapping[str, str]
    planted: Mapping[str, int]
    answer: dict[str, Any]

    @property
    def true_items(self) -> tuple[str, ...]:
        """The texts of the decisions, tasks and questions that the answer holds."""
        entries = (*self.answer["decisions"], *self.answer["action_items"], *self.answer["open_questions"])
        return tuple(entry.get("text") or entry["task"] for entry in entries)

    def quote(self, kind: str) -> dict[str, Any]:
        """Return what proves an entry: the whole line of a planted kind."""
        number = self.planted[kind]
        text = next(segment.text for segment in self.transcript.segments if segment.id == number)
        return {"segments": [number], "quote": text}

    def with_line(self, text: str) -> "Meeting":
        """Return the meeting with one more line by its first speaker, near its end."""
        *before, last = self.transcript.segments
        line = replace(last, id=last.id + 1, text=text, speaker=before[0].speaker)
        segments = (*before, replace(line, start_s=last.start_s, end_s=last.end_s), _later(last))
        duration_s = self.transcript.duration_s + SECONDS_PER_LINE
        return replace(self, transcript=replace(self.transcript, segments=segments, duration_s=duration_s))


def _later(segment: Segment) -> Segment:
    return replace(segment, start_s=segment.start_s + SECONDS_PER_LINE, end_s=segment.end_s + SECONDS_PER_LINE)


def made_up(number: int, seed: int, n_filler: int = 12) -> Meeting:
    """Make a meeting of some twenty lines; the same number and seed give the same one."""
    rng = random.Random(f"{seed} {number}")
    language = LANGUAGES[number % len(LANGUAGES)]
    things = _THINGS[language]
    filler = [_FILLER[language].format(*rng.sample(things, 2)) for _ in range(n_filler)]
    return _planted(language, rng, [(n % 2, text) for n, text in enumerate(filler)])


def planted_in(transcript: Transcript, number: int, seed: int, n_lines: int = 60) -> Meeting:
    """Plant the truth in the beginning of somebody's meeting; its talk stands before and after."""
    rng = random.Random(f"{seed} {number} data")
    language = transcript.language if transcript.language in _LINES else "en"
    return _planted(language, rng, [(n % 2, segment.text) for n, segment in enumerate(transcript.segments[:n_lines])])


def _planted(language: str, rng: random.Random, talk: Sequence[tuple[int, str]]) -> Meeting:
    names = rng.sample(_NAMES[language], 2)
    fields = {
        "a": names[0],
        "b": names[1],
        "w": _ABSENT[language],
        "n": str(rng.randrange(21, 80)),
        **{f"x{n}": thing for n, thing in enumerate(rng.sample(_THINGS[language], 9))},
    }
    lines: list[tuple[str, int, str]] = [("", speaker, text) for speaker, text in talk]
    *planted, end = ((kind, who, text.format(**fields)) for kind, who, text in _LINES[language])
    half = len(lines) // 2
    lines = [*planted[:2], *lines[:half], *planted[2:], *lines[half:], end]
    segments = tuple(
        Segment(
            id=n,
            channel=0,
            speaker=names[who],
            start_s=SECONDS_PER_LINE * n,
            end_s=SECONDS_PER_LINE * (n + 0.9),
            text=text,
        )
        for n, (_, who, text) in enumerate(lines)
    )
    transcript = Transcript(
        duration_s=SECONDS_PER_LINE * len(lines),
        language=language,
        languages=(),
        segments=segments,
        coverage=(),
        model=ModelInfo(name="made up"),
    )
    numbers = {kind: n for n, (kind, _, _) in enumerate(lines) if kind not in ("", "greeting", "end")}
    meeting = Meeting(transcript=transcript, language=language, fields=fields, planted=numbers, answer={})
    return replace(meeting, answer=_answer(meeting))


def _answer(meeting: Meeting) -> dict[str, Any]:
    fields = meeting.fields
    truth = {name: text.format(**fields) for name, text in _TRUTH[meeting.language].items()}
    last = meeting.transcript.segments[-1].id
    return {
        "meeting": 1,
        "title": truth["title"],
        "summary": truth["summary"],
        "participants": [fields["a"], fields["b"]],
        "chair": None,
        "place": None,
        "distribution": [],
        "topics": [
            {
                "title": truth["title"],
                "summary": truth["decision"],
                "first": 0,
                "last": last,
                **meeting.quote("decision"),
            }
        ],
        "decisions": [{"text": truth[kind], **meeting.quote(kind)} for kind in ("decision", "denial", "move")],
        "action_items": [
            {"task": truth["task"], "owner": fields["b"], "due": truth["due"], **meeting.quote("task")},
            {"task": truth["call"], "owner": fields["a"], "due": truth["call due"], **meeting.quote("call")},
        ],
        "open_questions": [
            {"text": meeting.quote(kind)["quote"], **meeting.quote(kind)} for kind in ("question", "doubt")
        ],
    }
