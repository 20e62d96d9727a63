"""The language of a channel: asked of several windows, once."""

from pipelines.core import Chunk, SpeechInterval
from pipelines.transcript.language_detection import SAMPLE_WINDOWS, LanguageDetector


def chunk(index: int, seconds: int = 30) -> Chunk:
    return Chunk(index=index, channel=0, span=0, pieces=(SpeechInterval(start=0, end=seconds * 16_000),))


def test_enough_windows_are_asked_once() -> None:
    """The detector waits for enough speech, asks windows spread over it, and does not ask again."""
    detector = LanguageDetector(channel=0)
    for index in range(SAMPLE_WINDOWS - 1):
        detector.hold(chunk(index))
        assert detector.choose_windows(complete=False) == ()
    detector.hold(chunk(SAMPLE_WINDOWS - 1))
    assert len(detector.choose_windows(complete=False)) == SAMPLE_WINDOWS
    detector.hold(chunk(99))
    assert detector.choose_windows(complete=True) == ()


def test_a_short_recording_votes_with_what_it_has() -> None:
    """When no more speech will come, even one window votes; without any there is nothing to ask."""
    detector = LanguageDetector(channel=0)
    assert detector.choose_windows(complete=True) == ()
    detector.hold(chunk(0))
    assert detector.choose_windows(complete=True) == (chunk(0),)


def test_one_odd_window_does_not_decide() -> None:
    """A greeting in another language is outvoted by the rest, weighted by seconds of speech."""
    detector = LanguageDetector(channel=0)
    for index, seconds in enumerate([5, 30, 30, 30]):
        detector.hold(chunk(index, seconds))
    detector.choose_windows(complete=False)
    answers = [{"en": 0.9, "zh": 0.1}, {"en": 0.2, "zh": 0.8}, {"zh": 0.9, "en": 0.1}, {}]
    assert [detector.add_window(index, answer) for index, answer in enumerate(answers)] == [False, False, False, True]
    vote = detector.result()
    assert vote is not None
    assert vote.language == "zh"
    assert 0.5 < vote.probability < 1


def test_nobody_could_be_asked() -> None:
    """When every window failed there is no vote, and the caller falls back."""
    detector = LanguageDetector(channel=0)
    detector.hold(chunk(0))
    detector.choose_windows(complete=True)
    assert detector.add_window(0, {})
    assert detector.result() is None
