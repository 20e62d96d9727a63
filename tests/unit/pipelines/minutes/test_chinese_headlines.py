"""Headlines of Chinese topics: whole words, and only what names a subject."""

import pytest

from pipelines.minutes.extractive.topics import split_topics, topic_titles
from pipelines.minutes.language.registry import cues_for
from pipelines.minutes.language.sentences import split_sentences
from tests.support.llm_lab import said


def titles(*lines: str) -> list[str]:
    """Return the titles of the topics of these lines."""
    meeting = said(*lines, language="zh")
    cues = cues_for("zh", meeting.text)
    return topic_titles(split_topics(split_sentences(meeting), cues), "会议", (), cues.stops)


@pytest.mark.parametrize(
    ("lines", "title", "fragment"),
    [
        (("我们开始今天的产品例会。", "大家好，负责研发。", "我是财务部。"), "产品例会", "产品例与"),
        (("一线城市房价高。", "二线城市房价低。", "三线城市没人买。"), "城市", "线城市"),
        (("三位校长发言。", "五位校长提问。"), "校长", "位校长"),
        (("高级教师名单公布。", "特级教师名单待定。"), "教师名单", "级教师"),
        (("感谢校长，感谢家长。", "感谢校长，感谢同学。"), "校长", "感谢"),
    ],
)
def test_headlines_are_whole_words(lines: tuple[str, ...], title: str, fragment: str) -> None:
    """No half of a word stands at an end, though it holds a function character or follows a number."""
    (found,) = titles(*lines)
    assert title in found
    assert fragment not in found


@pytest.mark.parametrize("announced", ["的议题", "问一下这个沈平教授", "数字人文是不是新学科", "由刘老师作答的"])
def test_an_announcement_that_names_nothing_is_no_headline(announced: str) -> None:
    """Its topic has key phrases for a title."""
    (found,) = titles(
        f"接下来我们讨论{announced}。", "市场预算增加了。", "市场预算由财务部审核。", "市场预算月底公布。"
    )
    assert "市场预算" in found
    assert announced not in found


def test_a_headline_says_nothing_twice() -> None:
    """Two phrases that are the same whole word are one."""
    (found,) = titles(*("混合式学习模式已经推广。", "混合式学习模式效果明显。", "混合式学习模式值得研究。") * 2)
    assert found.count("混合式学习模式") == 1
