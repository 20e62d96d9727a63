"""The languages of a channel: voted for by its first rows, once."""

from pipelines.core import Chunk, LanguagePassage, SpeechInterval
from pipelines.transcript.language_detection import SURE, VOTING_ROWS, ChannelVote


def chunk(index: int, seconds: int = 30) -> Chunk:
    return Chunk(index=index, channel=0, span=0, pieces=(SpeechInterval(start=0, end=seconds * 16_000),))


def passage(language: str, probability: float, seconds: float = 30, runner_up: str = "") -> LanguagePassage:
    return LanguagePassage(
        start_s=0,
        end_s=seconds,
        language=language,
        probability=probability,
        runner_up=runner_up,
        runner_up_probability=(1 - probability) if runner_up else 0,
    )


def voted(*rows: tuple[LanguagePassage, ...] | None) -> ChannelVote:
    """Return a vote that has all its answers."""
    vote = ChannelVote(channel=0)
    for index in range(len(rows)):
        vote.hold(chunk(index))
    vote.choose_rows(complete=True)
    assert [vote.add(index, row) for index, row in enumerate(rows)] == [*[False] * (len(rows) - 1), True]
    return vote


def test_enough_rows_vote_once() -> None:
    """The vote waits for enough speech, and does not ask again."""
    vote = ChannelVote(channel=0)
    for index in range(VOTING_ROWS - 1):
        vote.hold(chunk(index))
        assert vote.choose_rows(complete=False) == ()
    vote.hold(chunk(VOTING_ROWS - 1))
    assert len(vote.choose_rows(complete=False)) == VOTING_ROWS
    vote.hold(chunk(99))
    assert vote.choose_rows(complete=True) == ()


def test_a_short_recording_votes_with_what_it_has() -> None:
    """When no more speech will come, even one row votes; without any there is nothing to ask."""
    vote = ChannelVote(channel=0)
    assert vote.choose_rows(complete=True) == ()
    vote.hold(chunk(0))
    assert vote.choose_rows(complete=True) == (chunk(0),)


def test_an_unsure_row_is_outvoted_and_decoded_again() -> None:
    """A greeting that sounds foreign is expected to be in the language of the rest; its runner-up counts."""
    vote = voted(
        (passage("en", 0.6, 5, "zh"),),
        (passage("zh", 0.95),),
        (passage("zh", 0.9),),
        (passage("zh", 0.7, runner_up="en"),),
    )
    result = vote.result()
    assert (result.language, [code for code, _ in result.shares]) == ("zh", ["zh", "en"])
    assert 0.8 < result.probability < 0.95
    assert result.standing == (1, 2, 3)
    assert [each.index for each in vote.finished(result)] == [1, 2, 3]
    assert [each.index for each in vote.again(result)] == [0]


def test_what_is_surely_in_another_language_stays() -> None:
    """A row of which a passage is in another language stands, where that is sure."""
    vote = voted((passage("en", 1.0),), (passage("en", 1.0, 15), passage("zh", SURE, 15)), (passage("fr", 0.5),))
    assert vote.result().standing == (0, 1)


def test_rows_beyond_the_voters_wait() -> None:
    """They are decoded once the vote is known."""
    vote = ChannelVote(channel=0)
    for index in range(VOTING_ROWS + 2):
        vote.hold(chunk(index))
    for each in vote.choose_rows(complete=True):
        vote.add(each.index, (passage("en", 1.0),))
    assert [each.index for each in vote.again(vote.result())] == [VOTING_ROWS, VOTING_ROWS + 1]


def test_rows_that_were_given_up_say_nothing() -> None:
    """They stay failed; where nobody could say anything, the vote has no weight."""
    vote = voted(None)
    result = vote.result()
    assert (result.probability, result.shares, result.standing) == (0.0, (), (0,))
    assert vote.finished(result) == []
    assert vote.again(result) == []


def test_rows_in_which_nobody_speaks_are_finished() -> None:
    """They say nothing, and nothing is left to do for them."""
    vote = voted((), (passage("en", 1.0),), None)
    assert [each.index for each in vote.finished(vote.result())] == [0, 1]


def test_what_an_earlier_coordinator_decoded_stands() -> None:
    """Rows that were decoded without a vote, before a restart, are found under the same name again."""
    vote = voted((passage("en", 1.0),))
    vote.kept.add(7)
    assert vote.result().standing == (0, 7)
