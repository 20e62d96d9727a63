"""People: who takes part, and whose name stands at an end of a phrase."""

# ruff: noqa: SIM905, E501  (lists of words are easier to read as text; ideographs count double)

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from pipelines.minutes.language.sentences import Sentence
from pipelines.minutes.language.stopwords import ENGLISH
from pipelines.text.given_names import FAMILY_NAMES, GIVEN_NAMES
from pipelines.text.typography import HAN

_WORD = r"[^\W\d_][^\W\d_'’-]*(?:['’-][^\W\d_]+)*"
_TOKEN = re.compile(_WORD)
_TEAM_AT_START = re.compile(rf"(?:the )?(?:{_WORD} ){{1,2}}?(?:team|department|group|committee)\b", re.IGNORECASE)
_TEAM_AT_END = re.compile(rf"(?:\b(?:the )?{_WORD} (?:team|department|group|committee))$", re.IGNORECASE)
_AND = re.compile(r"(?:,? (?:and|&) |, )$", re.IGNORECASE)
_NOT_NAMES = frozenset(
    """
    january february march april may june july august september october november december christmas easter english
    german french chinese spanish british american european internet google microsoft apple amazon linux windows
    """.split()
)
_TEAM_WORDS = frozenset("the our your whole entire other project this that a each every which same small".split())


class NameFinder(Protocol):
    """Finds the name of a person or team at an end of a phrase, literally as spoken."""

    def at_start(self, phrase: str) -> tuple[str, str] | None:
        """Return the name (or names) a phrase starts with, and the rest; None when it starts with none."""
        ...

    def at_end(self, phrase: str) -> str | None:
        """Return the name (or names) a phrase ends with."""
        ...


@dataclass(frozen=True, kw_only=True)
class EnglishNames:
    """Knows names by a list of given names, by those who spoke or were addressed, and by capital letters.

    ``known`` and ``capitalised`` are lower-case words.
    """

    known: frozenset[str]
    capitalised: frozenset[str]

    @classmethod
    def learn(cls, sentences: Iterable[Sentence], known: Iterable[str]) -> "EnglishNames":
        """Learn which words stand with a capital letter inside sentences, unless the casing is odd throughout."""
        upper: Counter[str] = Counter()
        lower: Counter[str] = Counter()
        for sentence in sentences:
            for match in list(_TOKEN.finditer(sentence.clean))[1:]:
                word = match.group()
                before = sentence.clean[: match.start()].rstrip()
                if before.endswith((".", "?", "!", '"')):
                    continue
                is_upper = word[0].isupper() and word[1:].islower()
                (upper if is_upper else lower)[word.casefold()] += 1
        trusted = sum(upper.values()) < 0.3 * sum(lower.values())
        capitalised = {
            word
            for word, count in upper.items()
            if trusted
            and count > max(1, 2 * lower[word])
            and len(word) > 2
            and word not in ENGLISH
            and word not in _NOT_NAMES
        }
        words = {word.casefold() for name in known for word in _TOKEN.findall(name) if len(word) > 1}
        return cls(known=frozenset(words - ENGLISH), capitalised=frozenset(capitalised))

    def _is_name(self, word: str) -> bool:
        folded = word.casefold()
        return folded in self.known or folded in GIVEN_NAMES or (folded in self.capitalised and word[0].isupper())

    def at_start(self, phrase: str) -> tuple[str, str] | None:
        team = _TEAM_AT_START.match(phrase)
        if team and _names_team(team.group()):
            return _without_article(team.group()), phrase[team.end() :].strip()
        end = 0
        for match in _TOKEN.finditer(phrase):
            gap = phrase[end : match.start()]
            joined = end > 0 and gap in (" and ", ", and ", " & ")
            if not self._is_name(match.group()) or (end and gap != " " and not joined) or (not end and gap.strip()):
                if end and match.group().casefold() == "and" and gap.strip() in ("", ","):
                    continue
                break
            end = match.end()
        return (_capitals(phrase[:end].strip()), phrase[end:].strip(" ,:;.-")) if end else None

    def at_end(self, phrase: str) -> str | None:
        phrase = phrase.rstrip(" ,")
        team = _TEAM_AT_END.search(phrase)
        if team and _names_team(team.group()):
            return _without_article(team.group().strip())
        start = len(phrase)
        for match in reversed(list(_TOKEN.finditer(phrase))):
            gap = phrase[match.end() : start]
            if match.group().casefold() == "and" and start < len(phrase):
                continue
            first = start == len(phrase)
            if not self._is_name(match.group()) or (first and gap) or not (first or gap == " " or _AND.fullmatch(gap)):
                break
            start = match.start()
        return _capitals(phrase[start:]) or None


def _capitals(name: str) -> str:
    """Return a person's name with capital letters, where the recogniser left them out."""
    if not name.islower():
        return name
    return _TOKEN.sub(lambda match: match.group() if match.group() == "and" else match.group().capitalize(), name)


def _without_article(team: str) -> str:
    return team[4:] if team.casefold().startswith("the ") else team


def _names_team(phrase: str) -> bool:
    words = phrase.casefold().split()
    return words[-2] not in _TEAM_WORDS and (words[-2] not in ENGLISH) if len(words) > 1 else False


_TITLE = "(?:总监|总|工|经理|老师|主任|教授|博士|先生|女士|部长|院长|主席|书记|处长|局长|董事长|董)"
_FAMILY = f"[{''.join(sorted(FAMILY_NAMES))}]"
_UNIT = f"(?:(?![我你他她们请由让叫的是在和就那这])[{HAN}A-Za-z]){{1,6}}?(?:部门|部|组|团队|小组|中心|委员会|公司)"
_PERSON_ZH = re.compile(
    rf"(?:{_FAMILY}[{HAN}]{{0,2}}?{_TITLE}|[小老阿]{_FAMILY}|{_FAMILY}[{HAN}]{{1,2}}|{_UNIT}"
    r"|[A-Z][a-z]+(?: [A-Z][a-z]+)?)"
)
# Everyday words that begin like a family name.
_WORDS_ZH = re.compile(
    "方[案式法面向便]|项目|马[上路]|高[度兴级效]|黄金|石油|白天|金[融额]|文[件章]|安[全排]|任[务何]|毛利|万[一元]|关[于系]|时间|成[本果立功]|"
    "周[一二三四五六日末期报年边]|程[序度]|于是|余额|应该|计划|曾经|温度|平[台均]|许[多可]|何时|何必|江湖|向[上下前后来]|段[时落]|石头|"
    "龙头|史上|严[格重]|武器|莫非|孔子|汤|田[地野]|夏天|秦朝|雷达|万[人个]|钱[的都]|马[车路]|叶子|苏联|石[化材]|陆续|胡说|"
    "任[意由]|顾[客问]|顾虑|白色|方[便才]|黎明|毛病|尹"
)

# What goes on after a name. Without spaces, only this tells where a name ends; no owner is better than a wrong one.
_AFTER_NAME_ZH = re.compile(
    "$|[，。、：:；？！,. ]|[在把将于来去会要帮先再尽跟和与给对向用今明后下本周从继同]|星期|礼拜|负责|牵头|完成|提交|准备|整理|更新|修改|"
    "发|联系|检查|审核|确认|安排|组织|编写|撰写|起草|制定|制作|设计|开发|测试|上线|部署|修复|调研|调查|评估|统计|汇总|落实|推进|沟通|协调|"
    "通知|采购|购买|预订|签|翻译|培训|招聘|分析|优化|解决|处理|写|做|查|改|买|订|需要|必须|应该|尽快|马上|您|你|请|能|可以"
)
_BEFORE_NAME_ZH = re.compile("^(?:那么|那|然后|所以|就|请|由|让|另外|还有|，| )+")


def _is_person_zh(phrase: str) -> bool:
    # A family name said twice is two names for one person: 李明李总.
    return _PERSON_ZH.fullmatch(phrase) is not None and phrase[0] not in phrase[1:]


@dataclass(frozen=True, kw_only=True)
class ChineseNames:
    """Knows names by family name, title, or the ending of a department."""

    known: frozenset[str]

    def at_start(self, phrase: str) -> tuple[str, str] | None:
        phrase = phrase.lstrip(" ，、：:")
        for name in sorted(self.known, key=len, reverse=True):
            if name and phrase.startswith(name):
                return name, phrase[len(name) :].lstrip(" ，、：:")
        if _WORDS_ZH.match(phrase):
            return None
        for size in range(min(10, len(phrase)), 1, -1):
            if _is_person_zh(phrase[:size]) and _AFTER_NAME_ZH.match(phrase[size:]):
                return phrase[:size], phrase[size:].lstrip(" ，、：:")
        return None

    def at_end(self, phrase: str) -> str | None:
        phrase = _BEFORE_NAME_ZH.sub("", phrase.rstrip(" ，、"))
        for name in sorted(self.known, key=len, reverse=True):
            if name and phrase.endswith(name):
                return name
        return phrase if _is_person_zh(phrase) and not _WORDS_ZH.match(phrase) else None
