"""What the simulated DeepSeek server answers: minutes by a few rules, from the transcripts that stand in the prompt,
and translations that are none (`pseudo_translation`).

It reads the prompt as a model would, knowing nothing of the code that wrote it, and believes what it reads: where a
transcript says "add a decision", it adds one. `spoil` makes the mistakes that models make.
"""

import json
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

Mistake = Literal[
    "wrong_ids", "invented_quote", "invented_owner", "missing_meeting",
    "missing_line", "invented_line", "joined_lines", "untranslated_line", "other_script",
]  # fmt: skip

_BLOCK = re.compile(r'<meeting n="(\d+)" mark="(\w+)" code="(\w+)">\n(.*?)\n?</meeting \2 code="(\w+)">', re.DOTALL)
_LANGUAGE = re.compile(r'Meeting (\d+): write in the language "([\w-]+)"')
_LINES = re.compile(r'<lines mark="(\w+)">\n(.*?)\n?</lines \1>', re.DOTALL)
_INTO = re.compile(r'Translate the \d+ lines into "([\w-]+)"')
_KEPT = re.compile(r"(\[\w+\]|\S*\*+\S*)")
_LETTERS = {"zh": "译", "ja": "訳", "ru": "ж", "ar": "ع"}
_ROT13 = str.maketrans(
    "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ", "nopqrstuvwxyzabcdefghijklmNOPQRSTUVWXYZABCDEFGHIJKLM"
)
_DECISION = re.compile(
    r"\b(?:we|they) (?:have )?(?:decided|agreed)\b|\bdecision\b|决定|一致通过"
    r"|\bhemos decidido\b|\bwir haben beschlossen\b|\bnous avons décidé\b|ことに決めました",
    re.IGNORECASE,
)
_ACTION = re.compile(
    r"\b(?P<owner>[A-Z][a-z]+),? will (?P<task>[^.?!]+?)(?: (?P<due>by \w+))?[.!]"
    "|由(?P<owner_zh>[\u4e00-\u9fff]{2,3}?)负责(?P<task_zh>[^。，]+)"
    r"|\b(?P<owner_es>\w+) se encargará de (?P<task_es>[^.]+)"
    r"|\b(?P<owner_de>\w+) übernimmt (?P<task_de>[^.]+)"
    r"|\b(?P<owner_fr>\w+) se chargera de (?P<task_fr>[^.]+)"
    "|(?P<owner_ja>[\u4e00-\u9fff]{2})さんが(?P<task_ja>[^。]+)を準備します"
)
_OBEYED = re.compile(r"add (?:a|the) decision:? (?P<what>[^.]+)", re.IGNORECASE)
MAX_QUOTED_WORDS = 25


@dataclass(frozen=True, kw_only=True)
class HeardLine:
    """One line of a transcript in a prompt."""

    number: int
    speaker: str
    text: str


def meetings_in(prompt: str) -> dict[int, tuple[HeardLine, ...]]:
    """Return the transcripts in a prompt by their numbers."""
    return {int(number): tuple(_lines(block)) for number, _, _, block, _ in _BLOCK.findall(prompt)}


def checks_in(prompt: str) -> dict[int, str]:
    """Return what proves, by the number of each transcript in a prompt, that its ends and its middle were read."""
    return {
        int(number): "-".join((first, *re.findall(r"^<code (\w+)>$", block, re.MULTILINE), last))
        for number, _, first, block, last in _BLOCK.findall(prompt)
    }


def answer_to(messages: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the JSON that answers a conversation: minutes, corrections, one summary of several, or a translation."""
    prompt = "\n".join(str(message["content"]) for message in messages if message["role"] == "user")
    if (lines := _LINES.search(prompt)) and (into := _INTO.search(prompt)):
        asked = [json.loads(line) for line in lines[2].splitlines()]
        return {"segments": [{"id": number, "text": pseudo_translation(text, into[1])} for number, _, text in asked]}
    meetings = meetings_in(prompt)
    if meetings:
        languages, checks = dict(_LANGUAGE.findall(prompt)), checks_in(prompt)
        return {
            "meetings": [
                {"check": checks[number], **minutes_of(number, lines, languages.get(str(number), "en"))}
                for number, lines in meetings.items()
            ]
        }
    parts = re.search(r"<parts>\n(.*?)\n</parts>", prompt, re.DOTALL)
    summaries = json.loads(parts.group(1)) if parts else []
    title = " ".join(summaries[0].split()[:3]) if summaries else "Meeting"
    return {"title": title, "summary": " ".join(summaries)}


def pseudo_translation(text: str, language: str) -> str:
    """Return letters of the language's script in the places of a text's; digits and masks stay."""
    primary = language.partition("-")[0]

    def written(word: str) -> str:
        if primary in _LETTERS:
            return "".join(_LETTERS[primary] if each.isalpha() else each for each in word)
        return "".join(each.translate(_ROT13) if each.isascii() or not each.isalpha() else "la " for each in word)

    return "".join(part if _KEPT.fullmatch(part) else written(part) for part in _KEPT.split(text))


def minutes_of(number: int, lines: Sequence[HeardLine], language: str) -> dict[str, Any]:
    """Minutes of one transcript; every quote is literal."""
    decisions, actions, questions = [], [], []
    for line in lines:
        obeyed = _OBEYED.search(line.text)
        if obeyed:
            decisions.append({"text": obeyed["what"], "segments": [line.number], "quote": obeyed["what"]})
            decisions.append({"text": obeyed["what"], "segments": [lines[0].number], "quote": obeyed["what"]})
        elif _DECISION.search(line.text):
            decisions.append({"text": line.text, **_evidence(line)})
        for match in _ACTION.finditer(line.text):
            actions.append(
                {
                    "task": _found(match, "task"),
                    "owner": _found(match, "owner"),
                    "due": match["due"],
                    **_evidence(line),
                }
            )
        if line.text.rstrip().endswith(("?", "？")):
            questions.append({"text": line.text, **_evidence(line)})
    told = [line.text for line in lines[:2]]
    speakers = dict.fromkeys(line.speaker for line in lines if line.speaker)
    topics = [
        {
            "title": " ".join(lines[0].text.split()[:6])[:60],
            "summary": lines[0].text,
            "first": lines[0].number,
            "last": lines[-1].number,
            **_evidence(lines[0]),
        }
    ]
    return {
        "meeting": number,
        "title": f"Meeting about {lines[0].text.split()[-1].strip('.?!')}" if language != "zh" else "会议",
        "summary": " ".join(told),
        "participants": list(speakers),
        "topics": topics if lines else [],
        "decisions": decisions,
        "action_items": actions,
        "open_questions": questions,
    }


def spoil(answer: dict[str, Any], mistake: Mistake, rng: random.Random) -> dict[str, Any]:
    """Make a model's mistake in the first meeting, or a line of a translation, that offers the occasion."""
    if "segments" in answer:
        return {"segments": _spoiled(answer["segments"], mistake, rng)}
    meetings = answer.get("meetings") or []
    if mistake == "missing_meeting" and meetings:
        return {"meetings": meetings[:-1]}
    for meeting in meetings:
        entries = [*meeting["decisions"], *meeting["action_items"], *meeting["topics"]]
        if mistake == "wrong_ids" and entries:
            rng.choice(entries)["segments"] = [987_654]
        elif mistake == "invented_quote":
            meeting["decisions"].append(
                {"text": "Buy a yacht", "segments": [0], "quote": "we will certainly buy an expensive yacht"}
            )
        elif mistake == "invented_owner" and meeting["action_items"]:
            rng.choice(meeting["action_items"])["owner"] = "Zaphod"
        break
    return answer


def _spoiled(lines: list[dict[str, Any]], mistake: Mistake, rng: random.Random) -> list[dict[str, Any]]:
    chosen = rng.randrange(len(lines))
    line = lines[chosen]
    if mistake == "missing_line":
        return [*lines[:chosen], *lines[chosen + 1 :]]
    if mistake == "invented_line":
        return [*lines[:chosen], {"id": line["id"] + 1, "text": "Nobody said this."}, *lines[chosen:]]
    if mistake == "joined_lines" and chosen + 1 < len(lines):
        after = lines[chosen + 1]
        joined = {"id": line["id"], "text": f"{line['text']} {after['text']}"}
        return [*lines[:chosen], joined, *lines[chosen + 2 :]]
    if mistake == "untranslated_line":
        return [*lines[:chosen], {**line, "text": ""}, *lines[chosen + 1 :]]
    if mistake == "other_script":
        return [*lines[:chosen], {**line, "text": "ქართული ტექსტი"}, *lines[chosen + 1 :]]
    return lines


def _found(match: re.Match[str], group: str) -> str:
    """Return what stands in a group, whatever the language's own is called."""
    return next(said for name, said in match.groupdict().items() if said and name.startswith(group)).strip()


def _evidence(line: HeardLine) -> dict[str, Any]:
    words = line.text.split(" ")
    return {"segments": [line.number], "quote": " ".join(words[:MAX_QUOTED_WORDS])}


def _lines(block: str) -> list[HeardLine]:
    found = []
    for line in block.splitlines():
        if line.startswith("<"):
            continue
        number, _, speaker, text = json.loads(line)
        found.append(HeardLine(number=number, speaker=speaker, text=text))
    return found
