"""Owners and decisions by voice."""

from pipelines.core import ModelInfo, Segment, Transcript
from pipelines.minutes.by_voice import by_voice
from pipelines.minutes.extractive.writer import write_minutes
from pipelines.minutes.protocol import MinutesOptions
from pipelines.minutes.verification import verify


def meeting(*rows: tuple[str, str], language: str = "en") -> Transcript:
    segments = tuple(
        Segment(id=n, channel=0, speaker=who, start_s=4.0 * n, end_s=4.0 * n + 3.5, text=text)
        for n, (who, text) in enumerate(rows)
    )
    return Transcript(
        duration_s=60.0, language=language, languages=(), segments=segments, coverage=(), model=ModelInfo(name="m")
    )


def owners(transcript: Transcript) -> list[str | None]:
    return [item.owner for item in write_minutes(transcript, MinutesOptions()).action_items]


def test_i_will_is_whose_voice_says_it() -> None:
    """Also where the voice has no name but a number; who is talked about owns nothing by voice."""
    said = meeting(
        ("Karen", "I will send the contract to Maria by Friday."),
        ("Speaker 2", "I will update the roadmap with the design team."),
    )
    assert owners(said) == ["Karen", "Speaker 2"]
    assert "Maria" not in write_minutes(said, MinutesOptions()).participants


def test_who_says_i_will_do_that_takes_the_task() -> None:
    """A request without a name has the owner that took it; the words that took it are cited, and verified twice."""
    said = meeting(
        ("Alice", "Can you please check the backup system before Monday?"),
        ("Karen", "Sure, I will do that."),
        ("Alice", "Thank you."),
    )
    minutes = write_minutes(said, MinutesOptions())
    (item,) = minutes.action_items
    assert (item.owner, item.evidence.segment_ids, item.verified) == ("Karen", (0, 1), True)
    assert by_voice(verify(minutes, said), said).action_items == minutes.action_items


def test_who_asks_takes_no_task_of_their_own_asking() -> None:
    """Nor does a voice that merely agrees."""
    said = meeting(
        ("Alice", "Can you please check the backup system before Monday?"),
        ("Karen", "Yes, I agree."),
        ("Alice", "I will do that."),
    )
    assert owners(said) == [None]


def test_decisions_say_by_whose_voice_they_were_made() -> None:
    """Nobody's where voices are not told apart, or where several said it."""
    rows = ("We decided to postpone the release.", "The decision is to sell the warehouse in March.")
    told = write_minutes(meeting(("Alice", rows[0]), ("Speaker 2", rows[1])), MinutesOptions())
    assert [decision.by for decision in told.decisions] == ["Alice", "Speaker 2"]
    untold = write_minutes(meeting(("", rows[0]), ("", rows[1])), MinutesOptions())
    assert [decision.by for decision in untold.decisions] == [None, None]


def test_a_task_is_taken_in_chinese() -> None:
    """好的，我来处理 is an acceptance."""
    said = meeting(("李明", "请尽快更新项目文档。"), ("王芳", "好的，我来处理。"), ("李明", "谢谢。"), language="zh")
    assert owners(said) == ["王芳"]
