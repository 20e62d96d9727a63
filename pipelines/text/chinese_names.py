"""Finds names of people and places in Chinese text by jieba's dictionary and its model of unknown names."""

import logging
import re
from collections.abc import Collection, Iterator
from functools import cache
from typing import Any, Literal

from pipelines.text.given_names import FAMILY_NAMES
from pipelines.text.typography import HAN

Entity = tuple[int, int, Literal["names", "places"]]

_HAN_RUN = re.compile(rf"[{HAN}·]+")
_FAMILY = f"[{''.join(sorted(FAMILY_NAMES))}]"
_TITLED = re.compile(
    rf"(?P<name>{_FAMILY}[{HAN}]{{0,2}}?)"
    "(?:总监|总(?!是|共|的|体|之|结|部|算|额|和|会|要|数|价|量)|经理|老师|主任|教授|博士|先生|女士|小姐|部长|院长|主席|书记|处长|局长|董事长)"
)
_FAMILIAR = re.compile(
    rf"(?<![{HAN}])[小老阿]{_FAMILY}(?![{HAN}]?[板师是])|(?<=[请让叫和跟给找问由通知])[小老阿]{_FAMILY}(?![板师])"
)
_INTRODUCED = re.compile(
    rf"(?:我叫|名叫|名字叫|名字是|姓名是|叫做)(?P<name>[{HAN}·]{{2,4}}?)(?=$|[^{HAN}·]|[今明昨我想来是在的住从说和])"
)
_PRESENTED = re.compile(rf"(?:我是|这是|这位是)(?P<name>{_FAMILY}[{HAN}]{{1,2}})(?=$|[^{HAN}])")
_DOUBLE_FAMILY_NAMES = ("欧阳", "司马", "上官", "诸葛", "东方", "皇甫", "尉迟", "公孙", "慕容", "司徒", "夏侯", "令狐")
_PLACE_ENDINGS = "路街道区县市省镇村州"
_PEOPLE = frozenset(("nr", "nrt", "nrfg"))
_PRONOUNS = frozenset("我你他她它们您谁这那的是了在有")


def find_chinese(text: str, *, known: Collection[str] = ()) -> Iterator[Entity]:
    """Yield the names of people and places in the Han characters of a text; some may overlap.

    ``known`` are names wherever they stand.
    """
    for run in _HAN_RUN.finditer(text):
        yield from _in_run(run.group(), run.start(), known)
    for pattern in (_TITLED, _FAMILIAR, _INTRODUCED, _PRESENTED):
        for match in pattern.finditer(text):
            start, end = match.span("name") if "name" in pattern.groupindex else match.span()
            if not _PRONOUNS & set(text[start:end]):
                yield start, end, "names"


def _in_run(text: str, offset: int, known: Collection[str]) -> Iterator[Entity]:
    position = 0
    for word, flag in _tagger().cut(text):
        start, end = offset + position, offset + position + len(word)
        position += len(word)
        if flag in _PEOPLE and len(word) > 1 and (flag == "nrt" or _has_family_name(word)):
            yield start, end, "names"
        elif flag == "ns":
            yield start, end + (text[position : position + 1] in _PLACE_ENDINGS and position < len(text)), "places"
    for name in known:
        for match in re.finditer(re.escape(name), text):
            yield offset + match.start(), offset + match.end(), "names"


def _has_family_name(word: str) -> bool:
    return word[0] in FAMILY_NAMES or word.startswith(_DOUBLE_FAMILY_NAMES) or "·" in word


@cache
def _tagger() -> Any:
    """Load jieba's dictionary from its package: its own loader trusts a cache in the folder of temporary files."""
    import jieba
    import jieba.posseg

    jieba.setLogLevel(logging.WARNING)
    tokenizer = jieba.Tokenizer()
    tokenizer.FREQ, tokenizer.total = tokenizer.gen_pfdict(tokenizer.get_dict_file())
    tokenizer.initialized = True
    return jieba.posseg.POSTokenizer(tokenizer)
