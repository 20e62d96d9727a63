"""Extractive minutes of hand-written meetings and of arbitrary text."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.core import (
    ActionItem,
    CoverageStatus,
    Decision,
    Minutes,
    ModelInfo,
    OpenQuestion,
    Segment,
    Topic,
    Transcript,
)
from pipelines.errors import MinutesError
from pipelines.minutes.extractive.writer import ExtractiveWriter, draft_minutes, summary_tokens, write_minutes
from pipelines.minutes.finishing import unwritten
from pipelines.minutes.language.wording import joined_text, tokens
from pipelines.minutes.protocol import MinutesOptions, Writer
from pipelines.minutes.verification import verify

Line = str | tuple[str, str]

MEETING = """Good morning everyone, let's get started.
Hello, this is Alice from marketing.
Hi, I'm Bob from finance.
The first point is the launch plan.
We decided to postpone the release.
Alice will update the roadmap by Friday.
Action item for Bob, review the budget with the finance team.
Frank, please publish the newsletter today.
Can you check the backup system before Monday?
The open question is how to migrate the billing system.
The deadline for the contract is May tenth.
Let's move on to the security review.
Sales in Boston went up by five percent.
Who is going to sign the lease?
Carol will sign the lease.
When can we publish the survey?
The office in Berlin has twenty people.
We did not decide on the price.
Did we decide to cancel the order?
I will check.
I will send the forecast to Maria and Hans.
The decision is to sell the warehouse in March.
Thank you, David.
The marketing team will prepare the workshop before the holidays start.
Peter and Anna will test the network together.
Grace cannot join the meeting tomorrow.
The meeting is closed, thank you everyone.""".splitlines()

MEETING_ZH = """大家好，我是市场部的李明。
今天我们讨论一下新产品的发布计划。
我们决定把发布时间推迟到下个月。
由张三负责预算报告，周五之前完成。
王经理会在下周一之前提交测试报告。
预算方案通过了。
请李四准备培训材料。
我会把合同发给客户。
我们还没有决定价格。
会议决定了吗？
谁来负责服务器的采购？
目前还不清楚供应商什么时候能交货。
合同的截止日期是五月十号。
市场部负责联系供应商，月底之前完成。
谢谢王总。""".splitlines()


def meeting(lines: Sequence[Line], language: str = "en", **changes: object) -> Transcript:
    """One segment of three seconds per line; a line may be ``(speaker, text)``."""
    spoken = [("", line) if isinstance(line, str) else line for line in lines]
    segments = tuple(
        Segment(id=index, channel=0, speaker=speaker, start_s=3.5 * index, end_s=3.5 * index + 3, text=f" {text}")
        for index, (speaker, text) in enumerate(spoken)
    )
    return Transcript(
        duration_s=3.5 * len(segments),
        language=language,
        languages=(),
        segments=segments,
        coverage=(),
        model=ModelInfo(name="test"),
    )


def minutes_of(*lines: Line, language: str = "en") -> Minutes:
    return write_minutes(meeting(lines, language), MinutesOptions())


def tasks(minutes: Minutes) -> list[tuple[str, str | None, str | None]]:
    return [(item.task, item.owner, item.due) for item in minutes.action_items]


ENGLISH_TASKS = [
    ("Update the roadmap", "Alice", "Friday"),
    ("Review the budget with the finance team", "Bob", None),
    ("Publish the newsletter", "Frank", "today"),
    ("Check the backup system", None, "before Monday"),
    ("Deadline for the contract", None, "May tenth"),
    ("Sign the lease", "Carol", None),
    ("Send the forecast to Maria and Hans", None, None),
    ("Prepare the workshop before the holidays start", "marketing team", None),
    ("Test the network together", "Peter and Anna", None),
]


def test_an_english_meeting() -> None:
    """Decisions, tasks, questions and people of a whole meeting are found, and nothing else."""
    minutes = write_minutes(meeting(MEETING), MinutesOptions())
    assert [decision.text for decision in minutes.decisions] == [
        "Postpone the release.",
        "Sell the warehouse in March.",
    ]
    assert tasks(minutes) == ENGLISH_TASKS
    assert [question.text for question in minutes.open_questions] == [
        "The open question is how to migrate the billing system.",
        "When can we publish the survey?",
    ]
    assert minutes.participants == ("Alice", "Bob", "Frank", "David")
    assert [topic.title for topic in minutes.topics][1:] == ["Launch plan", "Security review"]
    assert (minutes.writer, minutes.model, minutes.language) == ("extractive", "extractive-1", "en")
    assert "We decided to postpone the release." in minutes.summary


def test_casing_and_punctuation_may_be_missing() -> None:
    """A recogniser that writes no capitals and no punctuation hides no decision and no task."""
    bare = [line.lower().translate(str.maketrans("", "", ".,?")) for line in MEETING]
    minutes = write_minutes(meeting(bare), MinutesOptions())
    assert [decision.text for decision in minutes.decisions] == [
        "Postpone the release",
        "Sell the warehouse in march",
    ]
    assert [(task.casefold(), owner, due and due.casefold()) for task, owner, due in tasks(minutes)] == [
        (task.casefold(), owner, due and due.casefold()) for task, owner, due in ENGLISH_TASKS
    ]
    assert minutes.participants == ("Alice", "Bob", "Frank", "David")


def test_sound_tracks_are_nobody() -> None:
    """What a recorder calls a track took no part; a person after whom one is called did."""
    said = meeting(MEETING)
    labels = ["Desktop (eng)", "Microphone", "Track 3 (ger)", "Track 4 2", "Desktop Audio 1", "Priya"]
    segments = tuple(replace(segment, speaker=labels[i % len(labels)]) for i, segment in enumerate(said.segments))
    minutes = write_minutes(replace(said, segments=segments), MinutesOptions())
    assert minutes.participants == ("Priya", "Alice", "Bob", "Frank", "David")


def test_a_chinese_meeting() -> None:
    """The same in Chinese, without a segmenter."""
    minutes = write_minutes(meeting(MEETING_ZH, "zh"), MinutesOptions())
    assert [decision.text for decision in minutes.decisions] == ["把发布时间推迟到下个月。", "预算方案通过了。"]
    assert tasks(minutes) == [
        ("预算报告", "张三", "周五之前"),
        ("提交测试报告", "王经理", "下周一之前"),
        ("准备培训材料", "李四", None),
        ("把合同发给客户", None, None),
        ("合同的截止日期", None, "五月十号"),
        ("联系供应商", "市场部", "月底之前"),
    ]
    assert [question.text for question in minutes.open_questions] == [
        "谁来负责服务器的采购？",
        "目前还不清楚供应商什么时候能交货。",
    ]
    assert minutes.participants == ("李明", "王总")


@pytest.mark.parametrize(
    "line",
    [
        "We did not decide on the price.",
        "We haven't decided to close the office.",
        "We never agreed to pay that.",
        "Did we decide to cancel the order?",
        "If we decided to close the factory, we would save money.",
        "I'm not sure we agreed to buy the truck.",
        "I thought we decided to wait for the audit.",
        "We decided that.",
        "Bob agreed with Alice about the budget.",
        "Should we go with the blue design?",
        "我们还没有决定价格。",
        "如果我们决定推迟发布，客户会不满意。",
        "我们决定推迟发布了吗？",
        "董事会有最终的决定权。",
    ],
)
def test_what_is_no_decision(line: str) -> None:
    """Denials, questions, conditions, doubts and opinions decide nothing."""
    assert minutes_of("Good morning.", line).decisions == ()


@pytest.mark.parametrize(
    ("line", "text"),
    [
        ("Okay, so, um, we decided to, uh, open the new office.", "Open the new office."),
        ("Let's go with the green dashboard.", "Let's go with the green dashboard."),
        ("Agreed, we will postpone the migration.", "Agreed, we will postpone the migration."),
        ("The board has approved the budget.", "The board has approved the budget."),
        ("We agreed not to sell the warehouse.", "Not to sell the warehouse."),
        ("We decided to wait, and Bob will call the supplier.", "We decided to wait"),
        ("大家一致同意采用第二个方案。", "采用第二个方案。"),
        ("会议决定由市场部组织活动。", "由市场部组织活动。"),
    ],
)
def test_ways_to_decide(line: str, text: str) -> None:
    """Decisions come in many words; hesitations and other clauses are left out."""
    assert [decision.text for decision in minutes_of(line).decisions] == [text]


@pytest.mark.parametrize(
    ("first", "again", "text", "owner", "due"),
    [
        (
            "We decided to close the old office.",
            "So, it was agreed to close the old office by Friday.",
            "Close the old office by Friday.",
            None,
            "Friday",
        ),
        (
            "We agreed that Bob will sell the old office by Monday.",
            "As I said, we agreed that Bob will sell the old office.",
            "Bob will sell the old office by Monday.",
            "Bob",
            "Monday",
        ),
        (
            "我们决定由张三负责采购新服务器。",
            "会议决定由张三负责采购新服务器。",
            "由张三负责采购新服务器。",
            "张三",
            None,
        ),
    ],
)
def test_a_decision_said_twice_is_one(first: str, again: str, text: str, owner: str | None, due: str | None) -> None:
    """It stands in its fuller words, cites both places, and has who and by when from either."""
    (decision,) = minutes_of("Hello, this is Bob.", first, "Nothing else happened there.", again).decisions
    assert (decision.text, decision.owner, decision.due) == (text, owner, due)
    assert sorted(decision.evidence.segment_ids) == [1, 3]
    assert decision.verified


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (
            "We decided to close the north harbour office in Lisbon.",
            "We decided to close the south harbour office in Lisbon.",
        ),
        ("We decided to open the harbour.", "We decided not to open the harbour."),
        ("We decided to pay five hundred dollars.", "We decided to pay six hundred dollars."),
        ("We decided to open the harbour office.", "We decided to postpone the opening of the harbour office."),
        ("我们决定采购北区的服务器。", "我们决定采购南区的服务器。"),
        ("我们决定关闭旧办公室。", "我们决定不关闭旧办公室。"),
    ],
)
def test_decisions_that_sound_alike_are_two(one: str, other: str) -> None:
    """One word, number or denial makes another matter."""
    assert len(minutes_of(one, other).decisions) == 2


def test_a_decision_may_be_declared_afterwards() -> None:
    """ "That's decided" makes a decision of the sentence before, and both are cited."""
    (decision,) = minutes_of("We move the launch to the first of June.", "Okay, that's settled then.").decisions
    assert decision.text == "We move the launch to the first of June."
    assert decision.evidence.segment_ids == (0, 1)


@pytest.mark.parametrize(
    "line",
    [
        "I will check.",
        "I'll see.",
        "I will call you back.",
        "Can you hear me?",
        "Can you tell us more about the budget?",
        "Please go ahead with your presentation.",
        "Nobody will fix the printer.",
        "Sales will go up again.",
        "Alice is on vacation until Monday.",
        "We will see how the market reacts.",
        "Will Bob send the report?",
        "大家请看一下屏幕。",
        "请您介绍一下自己。",
    ],
)
def test_what_is_no_task(line: str) -> None:
    """Small talk, chairing and forecasts are no tasks."""
    assert minutes_of(line).action_items == ()


@pytest.mark.parametrize(
    ("line", "task"),
    [
        ("Carol, could you please sign it all by the end of June?", ("Sign it all", "Carol", "the end of June")),
        ("Can you send the invoice, Carol?", ("Send the invoice", "Carol", None)),
        ("So, um, Bob is going to repair the printer tomorrow.", ("Repair the printer", "Bob", "tomorrow")),
        ("Bob will repair the printer, and Alice will order paper.", ("Repair the printer", "Bob", None)),
        ("I need to submit the tax return by the fifteenth.", ("Submit the tax return", None, "the fifteenth")),
        ("The audit must be done by the end of March.", ("The audit must be done", None, "the end of March")),
        ("We need to finish the report by next week.", ("Finish the report", None, "next week")),
        ("Wei Ming will translate the text within two weeks.", ("Translate the text", "Wei Ming", "within two weeks")),
        ("To-do for the design team: update the logo.", ("Update the logo", "design team", None)),
        ("这份报告由王工来负责。", ("这份报告", "王工", None)),
        ("麻烦陈华明天把数据发给客户。", ("把数据发给客户", "陈华", "明天")),
        ("我们必须在年底之前完成测试。", ("完成测试", None, "年底之前")),
    ],
)  # fmt: skip
def test_ways_to_give_a_task(line: str, task: tuple[str, str | None, str | None]) -> None:
    """Owner and due date are those that were spoken, else None."""
    assert tasks(minutes_of(line))[0] == task


def test_i_will_belongs_to_the_speaker() -> None:
    """ "I will" makes the speaker the owner, where the speaker is known."""
    minutes = minutes_of(("Dana", "I will send the report by Friday."), ("", "I will order the new laptops."))
    assert tasks(minutes) == [("Send the report", "Dana", "Friday"), ("Order the new laptops", None, None)]


def test_a_task_may_get_its_owner_afterwards() -> None:
    """ "Write that down as an action item for Emma" gives the task before to Emma and cites both sentences."""
    minutes = minutes_of(
        "We need to repair the projector by Monday.", "Please write that down as an action item for Emma."
    )
    (item,) = minutes.action_items
    assert (item.task, item.owner, item.due) == ("Repair the projector", "Emma", "Monday")
    assert item.evidence.segment_ids == (0, 1)


@pytest.mark.parametrize(
    "answer",
    ["The launch of the mobile app is in April.", "Probably in June.", "Yes, next week."],
)
def test_answered_questions_are_not_open(answer: str) -> None:
    """A reply in the question's own words, or one that starts like a reply, closes it."""
    assert minutes_of("When can we launch the mobile app?", answer).open_questions == ()


@pytest.mark.parametrize("reply", ["I don't know.", "Good question, let me check.", "Let's move on to the budget."])
def test_a_reply_without_an_answer_leaves_the_question_open(reply: str) -> None:
    """Not knowing is no answer, and neither is the next subject."""
    (question,) = minutes_of("When can we launch the mobile app?", reply, "Yes.").open_questions
    assert question.text == "When can we launch the mobile app?"


@pytest.mark.parametrize("line", ["Does anyone have a question about the budget?", "The budget is fine, right?"])
def test_questions_that_only_keep_the_meeting_going_are_not_open(line: str) -> None:
    """Asking for comments or assent leaves nothing open."""
    assert minutes_of(line).open_questions == ()


def test_a_sentence_may_straddle_segments() -> None:
    """Evidence cites every segment the sentence was said in, and the quote runs over them."""
    minutes = minutes_of("Good morning. We decided to", "postpone the release of", "the mobile app. Thank you.")
    (decision,) = minutes.decisions
    assert decision.evidence.segment_ids == (0, 1, 2)
    assert decision.evidence.quote == "We decided to postpone the release of the mobile app."


def test_each_topic_has_its_time() -> None:
    """Topics follow each other and cover the speech."""
    topics = write_minutes(meeting(MEETING), MinutesOptions()).topics
    assert topics[0].start_s == 0
    assert topics[-1].end_s == pytest.approx(3.5 * len(MEETING) - 0.5)
    assert all(one.end_s <= other.start_s for one, other in pairwise(topics))


def test_topics_are_told_apart_by_thanks_and_speakers() -> None:
    """Who is thanked has done; the same words go on without a topic's start."""
    word = ("harbour", "crane", "ferry", "dock", "anchor", "vessel", "cargo", "pilot")
    talk = [
        f"The {word[n % 8]} near the {word[n % 7]} needs the {word[n % 5]} and a {word[n % 3]} today."
        for n in range(240)
    ]
    turns: list[Line] = [("Ann", line) for line in talk[:120]]
    turns += [("Ann", "That is all, thank you very much."), ("Ben", "Now let's turn to our part.")]
    turns += [("Ben", line) for line in talk[120:]]
    assert [topic.start_s for topic in minutes_of(*turns).topics] == [0.0, pytest.approx(3.5 * 121, abs=3.5)]
    plain = [line for line in turns if line not in turns[120:122]]
    assert len(minutes_of(*((("Ann", line[1])) for line in plain)).topics) == 1


def test_topics_are_told_apart_by_their_words() -> None:
    """Without a word from the chair, a change of vocabulary starts a topic."""
    network = "The network router drops packets when the firewall restarts the switch cable"
    cooking = "The kitchen serves pasta soup with tomato sauce and fresh garlic bread"
    lines = [f"{network} number {index}." for index in range(60)] + [f"{cooking} dish {index}." for index in range(60)]
    starts = [topic.start_s for topic in minutes_of(*lines).topics]
    assert any(abs(start - 60 * 3.5) < 10 * 3.5 for start in starts)


def test_the_options_choose_title_and_language() -> None:
    """A given title replaces the main topic; a regional tag of the spoken language is kept."""
    minutes = write_minutes(meeting(MEETING), MinutesOptions(title="Monday call", language="en-GB"))
    assert (minutes.title, minutes.language) == ("Monday call", "en-GB")


@pytest.mark.parametrize(
    ("line", "language", "title"),
    [("Welcome to the product meeting.", "en", "Product meeting"), ("欢迎大家参加今天的产品例会。", "zh", "产品例会")],
)
def test_the_chair_names_the_meeting(line: str, language: str, title: str) -> None:
    """What the meeting is called at its opening is its title."""
    assert minutes_of(line, line, language=language).title == title


def test_every_announced_topic_is_kept() -> None:
    """A long agenda is not cut short."""
    things = ["budget", "contract", "website", "network", "factory", "printer", "survey", "lease", "audit", "router"]
    lines = [
        line
        for thing in things * 2
        for line in (f"Let's move on to the {thing}.", f"The {thing} was late.", f"We bought a new {thing}.")
    ]
    assert [topic.title.lower() for topic in minutes_of(*lines).topics] == things * 2


def test_another_language_is_refused() -> None:
    """Sentences can be chosen, not translated: a clear error, no silent neglect of the option."""
    with pytest.raises(MinutesError, match="language model"):
        write_minutes(meeting(MEETING), MinutesOptions(language="zh"))


def test_other_languages_get_topics_and_summary() -> None:
    """A language without cues still gets what needs none."""
    lines = ["Der Haushalt für das nächste Jahr ist fertig.", "Der Haushalt enthält neue Stellen."] * 3
    minutes = minutes_of(*lines, language="de")
    assert minutes.summary
    assert minutes.topics
    assert (minutes.decisions, minutes.action_items) == ((), ())


def test_silence_gives_empty_minutes() -> None:
    """A recording without words is no error; nobody wrote its minutes, and they name no title, language or person."""
    for lines in ((), ("…", ".")):
        minutes = minutes_of(*lines)
        assert minutes == unwritten(MinutesOptions())
        assert (minutes.title, minutes.language, minutes.writer, minutes.model) == ("", "", "none", "")
        assert (minutes.summary, minutes.participants, minutes.topics) == ("", (), ())


def test_failed_segments_are_no_evidence() -> None:
    """What could not be decoded is not quoted."""
    transcript = meeting(["We decided to close the office."])
    failed = Segment(**{**vars(transcript.segments[0]), "health": CoverageStatus.FAILED})
    broken = Transcript(**{**vars(transcript), "segments": (failed,)})
    assert write_minutes(broken, MinutesOptions()).decisions == ()


def test_the_summary_grows_slowly() -> None:
    """A meeting twenty times as long has a summary at most three times as long."""
    short, long = (summary_tokens(minutes * 60, chinese=False) for minutes in (15, 300))
    assert short < long < 3 * short


async def test_the_writer_fits_the_protocol() -> None:
    """`ExtractiveWriter` is a `Writer`; calls at once do not disturb each other."""
    writer: Writer = ExtractiveWriter()
    english, chinese = await asyncio.gather(
        writer.write(meeting(MEETING), MinutesOptions()), writer.write(meeting(MEETING_ZH, "zh"), MinutesOptions())
    )
    assert english == write_minutes(meeting(MEETING), MinutesOptions())
    assert chinese.participants == ("李明", "王总")


FRAGMENTS = (
    *MEETING,
    *MEETING_ZH,
    "um we uh decided to",
    "the the",
    "twenty five",
    "thousand by Friday",
    "Alice and",
    "That's decided.",
    "Write that down as an action item for Bob.",
    "那就这么定吧。",
    "[music]",
    "?",
    "…",
)
SAID = st.one_of(st.sampled_from(FRAGMENTS), st.text(max_size=60), st.lists(st.sampled_from(FRAGMENTS)).map(" ".join))
SPEAKERS = st.sampled_from(["", "Alice", "Speaker 1", "王伟", "the", "?"])


@st.composite
def transcripts(draw: st.DrawFn) -> Transcript:
    """Any text from any voices on two channels, with ids in the order of start times, as transcripts have them."""
    segments = []
    start = 0.0
    for index, text in enumerate(draw(st.lists(SAID, max_size=25))):
        start += draw(st.sampled_from([0.0, 0.5, 3.0, 20.0]))
        end = start + draw(st.sampled_from([0.0, 1.0, 5.0]))
        segments.append(
            Segment(
                id=index,
                channel=draw(st.integers(0, 1)),
                speaker=draw(SPEAKERS),
                start_s=start,
                end_s=end,
                text=text,
                health=draw(
                    st.sampled_from([CoverageStatus.TRANSCRIBED, CoverageStatus.TRANSCRIBED, CoverageStatus.FAILED])
                ),
            )
        )
    return Transcript(
        duration_s=start + 5,
        language=draw(st.sampled_from(["en", "zh", "de", "ja", ""])),
        languages=(),
        segments=tuple(segments),
        coverage=(),
        model=ModelInfo(name="test"),
        n_channels=2,
    )


@settings(max_examples=80, deadline=None)
@given(transcripts())
def test_evidence_is_always_literal(transcript: Transcript) -> None:
    """Whatever is said: ids exist, quotes are parts of the cited text, owners are spoken there or speak there."""
    draft = draft_minutes(transcript, MinutesOptions())
    segments = {segment.id: segment for segment in transcript.segments}
    items: list[Topic | Decision | ActionItem | OpenQuestion] = [
        *draft.topics,
        *draft.decisions,
        *draft.action_items,
        *draft.open_questions,
    ]
    for item in items:
        cited = [segments[segment_id] for segment_id in item.evidence.segment_ids]
        assert item.evidence.quote
        assert item.evidence.quote in joined_text(cited)
        if isinstance(item, ActionItem) and item.owner:
            said = {*tokens(joined_text(cited)), *(token for segment in cited for token in tokens(segment.speaker))}
            assert set(tokens(item.owner)) <= said or item.owner in {segment.speaker for segment in cited}


@settings(max_examples=80, deadline=None)
@given(transcripts())
def test_verification_changes_nothing(transcript: Transcript) -> None:
    """What the extractive writer drafts passes the checks that every writer's minutes must pass."""
    draft = draft_minutes(transcript, MinutesOptions())
    assert verify(draft, transcript) == draft


def test_a_word_of_two_scripts_is_one_word() -> None:
    """Its Latin part is no name of its own that nobody said."""
    transcript = meeting(["Hello, this is Alice from marketing.", "A\u0800B"])
    draft = draft_minutes(transcript, MinutesOptions())
    assert "A\u0800B" in draft.title
    assert verify(draft, transcript) == draft


def test_a_question_in_another_script_is_no_decision() -> None:
    """Its mark tells, whatever language most of the meeting is in."""
    minutes = minutes_of("Good morning everyone, let's get started.", "会议决定了吗？", "That's decided.")
    assert minutes.decisions == ()


def test_a_recogniser_in_a_loop_is_no_trouble() -> None:
    """Very long text without spaces or stops is cut into pieces of bounded length, quoted literally."""
    for text in ("a" * 20_000, "we decided to " * 3_000, "决定" * 10_000, "9" * 5_000):
        transcript = meeting([text])
        draft = draft_minutes(transcript, MinutesOptions())
        assert verify(draft, transcript) == draft
        assert all(len(topic.evidence.quote) <= 600 for topic in draft.topics)


@pytest.mark.parametrize(
    "before", ["Thank you, Alice.", "When can we close the parking lot?", "Bob will order the paper.", ""]
)
def test_no_task_is_made_of_what_is_none(before: str) -> None:
    """An assignment that points back at thanks, a question or another's task makes no task."""
    minutes = minutes_of(before, "Please write that down as an action item for Emma.")
    assert all(item.owner != "Emma" for item in minutes.action_items)
