"""Transcripts and minutes that the export tests render: a call, a Chinese meeting, hostile text, nothing at all."""

from pipelines.core import (
    ActionItem,
    Coverage,
    CoverageStatus,
    Decision,
    Evidence,
    Minutes,
    ModelInfo,
    OpenQuestion,
    Segment,
    SpokenLanguage,
    Topic,
    Transcript,
    Word,
)
from pipelines.minutes.finishing import unwritten
from pipelines.minutes.protocol import MinutesOptions
from pipelines.notes import Note, NoteCode

MODEL = ModelInfo(name="base", sha256="ab" * 32, compute_type="int8", device="cpu")

HOSTILE = (
    "\ud800lone\udfff \x00nul \x1bescape \x85next \u202eoverride\u202c <b>bold</b> --> 5 & 6 &amp; {\\an8} "
    "[link](http://example.org) | cell | `code` *star* _under_ # hash \u2028 line ~~gone~~ $x$ \ufffe "
)


def evidence(*segment_ids: int, quote: str = "") -> Evidence:
    return Evidence(segment_ids=segment_ids, quote=quote)


def call() -> tuple[Transcript, Minutes, str]:
    """A stereo call of 40 s with a suspect and a failed passage, and minutes that cite it."""
    said = (
        (0, "Agent", 0.0, 4.0, " Good morning, this is the service desk."),
        (1, "Customer", 4.5, 9.0, " Hello, my order never came. Can you send it again?"),
        (0, "Agent", 9.5, 14.0, " We will send it again at no cost."),
        (0, "Agent", 14.2, 18.0, " I will call the courier by Friday."),
        (1, "Customer", 19.0, 21.0, " Thank you, thank you."),
    )
    segments = tuple(
        Segment(
            id=i,
            channel=channel,
            speaker=speaker,
            start_s=start_s,
            end_s=end_s,
            text=text,
            health=CoverageStatus.SUSPECT if i == 4 else CoverageStatus.TRANSCRIBED,
            words=(Word(text=text, start_s=start_s, end_s=end_s, probability=0.5),) if i == 0 else (),
        )
        for i, (channel, speaker, start_s, end_s, text) in enumerate(said)
    )
    coverage = (
        Coverage(channel=0, start_s=0.0, end_s=18.0, health=CoverageStatus.TRANSCRIBED),
        Coverage(channel=0, start_s=18.0, end_s=40.0, health=CoverageStatus.SILENCE),
        Coverage(channel=1, start_s=0.0, end_s=19.0, health=CoverageStatus.TRANSCRIBED),
        Coverage(channel=1, start_s=19.0, end_s=21.0, health=CoverageStatus.SUSPECT, note="repetition, low_logprob"),
        Coverage(channel=1, start_s=21.0, end_s=30.0, health=CoverageStatus.SILENCE),
        Coverage(channel=1, start_s=30.0, end_s=40.0, health=CoverageStatus.FAILED, note="no result"),
    )
    transcript = Transcript(
        duration_s=40.0,
        language="en",
        languages=(SpokenLanguage(channel=0, language="en", probability=0.97),),
        segments=segments,
        coverage=coverage,
        model=MODEL,
        n_channels=2,
    )
    minutes = Minutes(
        title="Lost order",
        language="en",
        writer="extractive",
        model="",
        summary="The customer's order never came.\n- It is sent again.\n- The courier is called.",
        participants=("Agent", "Customer"),
        topics=(
            Topic(
                title="The order",
                summary="It never came.",
                start_s=4.5,
                end_s=14.0,
                evidence=evidence(1, quote="my order"),
            ),
        ),
        decisions=(
            Decision(text="The order is sent again.", evidence=evidence(2, quote="We will send it again at no cost.")),
            Decision(text="The courier is sued.", evidence=evidence(99, quote=""), verified=False),
        ),
        action_items=(
            ActionItem(
                task="Call the courier",
                owner="Agent",
                due="Friday",
                evidence=evidence(3, quote="I will call the courier by Friday."),
            ),
            ActionItem(task="Send the order again", owner=None, due=None, evidence=evidence(2, quote="send it again")),
        ),
        open_questions=(OpenQuestion(text="Where is the parcel?", evidence=evidence(1, quote="my order never came")),),
    )
    return transcript, minutes, "call-0001.wav"


def meeting_in_chinese() -> tuple[Transcript, Minutes, str]:
    """A Chinese meeting of over an hour in one channel, summed up by a language model."""
    said = (
        "大家早上好，我们先讨论发布计划。",
        "数据库迁移还没有完成，发布推迟到三月十四号。",
        "玛丽亚，请在周五之前给客户写邮件。",
    )
    segments = tuple(
        Segment(id=i, channel=0, speaker="", start_s=3600.0 + 5 * i, end_s=3604.0 + 5 * i, text=text)
        for i, text in enumerate(said)
    )
    transcript = Transcript(
        duration_s=3700.0,
        language="zh",
        languages=(),
        segments=segments,
        coverage=(Coverage(channel=0, start_s=0.0, end_s=3700.0, health=CoverageStatus.TRANSCRIBED),),
        model=MODEL,
    )
    minutes = Minutes(
        title="发布会议",
        language="zh",
        writer="llm",
        model="deepseek-chat",
        summary="由于数据库迁移未完成，发布推迟。",
        participants=("玛丽亚", "Ben"),
        decisions=(Decision(text="发布推迟到三月十四号。", evidence=evidence(1, quote="发布推迟到三月十四号")),),
        action_items=(
            ActionItem(task="给客户写邮件", owner="玛丽亚", due="周五之前", evidence=evidence(2, quote="给客户写邮件")),
        ),
    )
    return transcript, minutes, "周会.m4a"


def nothing() -> tuple[Transcript, Minutes, str]:
    """A recording without a second of audio, and minutes without a word."""
    transcript = Transcript(duration_s=0.0, language="", languages=(), segments=(), coverage=(), model=MODEL)
    return transcript, Minutes(title="", language="", writer="extractive", model="", summary=""), ""


def silent() -> tuple[Transcript, Minutes, str]:
    """A call of busy tones: no words, and minutes that nobody wrote."""
    transcript = Transcript(
        duration_s=14.0,
        language="",
        languages=(),
        segments=(),
        coverage=(Coverage(channel=0, start_s=0.0, end_s=14.0, health=CoverageStatus.SILENCE),),
        model=MODEL,
        notes=(Note(code=NoteCode.NO_SPEECH),),
    )
    return transcript, unwritten(MinutesOptions()), "busy line"


def hostile(text: str = HOSTILE) -> tuple[Transcript, Minutes, str]:
    """Every field a stranger can influence holds ``text``; numbers are not finite; ids lead nowhere."""
    proof = Evidence(segment_ids=(0, -1, 10**9), quote=text)
    segment = Segment(
        id=0,
        channel=0,
        speaker=text,
        start_s=0.0,
        end_s=5.0,
        text=text,
        avg_logprob=float("-inf"),
        compression_ratio=float("nan"),
        health=CoverageStatus.SUSPECT,
        words=(Word(text=text, start_s=0.0, end_s=5.0, probability=float("nan")),),
    )
    transcript = Transcript(
        duration_s=10.0,
        language=text,
        languages=(SpokenLanguage(channel=0, language=text, probability=1.0),),
        segments=(segment,),
        coverage=(
            Coverage(channel=0, start_s=0.0, end_s=5.0, health=CoverageStatus.SUSPECT, note=text),
            Coverage(channel=0, start_s=5.0, end_s=10.0, health=CoverageStatus.FAILED, note=text),
        ),
        model=ModelInfo(name=text),
    )
    minutes = Minutes(
        title=text,
        language=text,
        writer="llm",
        model=text,
        summary=text,
        participants=(text,),
        topics=(Topic(title=text, summary=text, start_s=0.0, end_s=5.0, evidence=proof),),
        decisions=(Decision(text=text, evidence=proof),),
        action_items=(ActionItem(task=text, owner=text, due=text, evidence=proof, verified=False),),
        open_questions=(OpenQuestion(text=text, evidence=proof),),
    )
    return transcript, minutes, text
