"""What every `pipelines.whisper.engine.Engine` must do, whether it has weights or not."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pytest

from pipelines.whisper.engine import Engine
from pipelines.whisper.options import DecodeOptions, DecodeRequest

Pcm = npt.NDArray[np.int16]
GREEDY = DecodeOptions(temperatures=(0.0,))


class EngineContract:
    """Subclasses give the fixtures ``engine`` and ``speech``: some rows of it with text in each, int16."""

    def test_every_row_has_its_outcome_in_order(self, engine: Engine, speech: list[Pcm]) -> None:
        """One outcome per row, carrying the row's own index, in the order of the rows."""
        rows = [DecodeRequest(pcm=pcm, index=10 * i, options=GREEDY) for i, pcm in enumerate(speech)]
        results = engine.transcribe(rows)
        assert [result.index for result in results] == [row.index for row in rows]
        assert all(result.segments and not result.error for result in results)

    def test_no_rows_have_no_outcomes(self, engine: Engine) -> None:
        """An empty batch is no error."""
        assert engine.transcribe([]) == []

    def test_outcomes_repeat(self, engine: Engine, speech: list[Pcm]) -> None:
        """The same rows give the same outcomes, at temperature 0."""
        rows = [DecodeRequest(pcm=pcm, options=GREEDY) for pcm in speech[:1]]
        assert engine.transcribe(rows) == engine.transcribe(rows)

    def test_a_row_does_not_depend_on_its_neighbours(self, engine: Engine, speech: list[Pcm]) -> None:
        """A row decoded alone, or in another order, has the outcome it has in a batch."""
        rows = [DecodeRequest(pcm=pcm, index=i, options=GREEDY) for i, pcm in enumerate(speech[:2])]
        together = engine.transcribe(rows)
        assert engine.transcribe(rows[::-1])[::-1] == together
        assert engine.transcribe(rows[:1]) == together[:1]

    def test_a_faulty_row_fails_alone(self, engine: Engine, speech: list[Pcm]) -> None:
        """Rows that cannot be decoded say why; their neighbours are as they would be without them."""
        sound = DecodeRequest(pcm=speech[0], options=GREEDY)
        faulty = [
            DecodeRequest(pcm=np.zeros(0, np.int16), index=1),
            DecodeRequest(pcm=np.full(16_000, np.nan, np.float32), index=2),
            DecodeRequest(pcm=np.zeros(31 * 16_000, np.int16), index=3),
            replace(sound, index=4, options=DecodeOptions(language="xx")),
        ]
        results = engine.transcribe([*faulty, sound])
        assert [bool(result.error) for result in results] == [True, True, True, True, False]
        assert [result.index for result in results] == [1, 2, 3, 4, 0]
        assert not any(result.segments for result in results[:-1])
        assert results[-1] == engine.transcribe([sound])[0]

    def test_silence_has_no_text(self, engine: Engine) -> None:
        """Nothing is made up where nothing sounds, and silence is no fault."""
        (result,) = engine.transcribe([DecodeRequest(pcm=np.zeros(10 * 16_000, np.int16))])
        assert (result.segments, result.error, result.suspect) == ((), "", ())

    def test_float_samples_are_the_same_as_int16(self, engine: Engine, speech: list[Pcm]) -> None:
        """Both sample formats give the same text."""
        as_float = (speech[0] / 32_768).astype(np.float32)
        whole, scaled = engine.transcribe(
            [DecodeRequest(pcm=speech[0], options=GREEDY), DecodeRequest(pcm=as_float, options=GREEDY)]
        )
        assert whole.segments == scaled.segments

    def test_times_are_inside_the_row_and_ascend(self, engine: Engine, speech: list[Pcm]) -> None:
        """Segments do not overlap and end before the row does."""
        for pcm, result in zip(
            speech, engine.transcribe([DecodeRequest(pcm=pcm, options=GREEDY) for pcm in speech]), strict=True
        ):
            times = [(segment.start_s, segment.end_s) for segment in result.segments]
            assert all(0 <= start < end <= len(pcm) / 16_000 for start, end in times)
            assert all(left[1] <= right[0] for left, right in pairwise(times))

    def test_words_are_all_timed_inside_their_segment(self, engine: Engine, speech: list[Pcm]) -> None:
        """Asked for words, every segment has them; joined they are its text, and their times ascend within it."""
        options = DecodeOptions(word_timestamps=True, temperatures=(0.0,))
        for result in engine.transcribe([DecodeRequest(pcm=pcm, options=options) for pcm in speech]):
            for segment in result.segments:
                assert "".join(word.text for word in segment.words) == segment.text
                times = [(word.start_s, word.end_s) for word in segment.words]
                assert all(segment.start_s <= start < end <= segment.end_s for start, end in times)
                assert all(left[1] <= right[0] for left, right in pairwise(times))
                assert all(0 <= word.probability <= 1 for word in segment.words)

    def test_languages_are_detected_row_by_row(self, engine: Engine, speech: list[Pcm]) -> None:
        """Passages tile a row whose language is to be detected; where it was given, or is the only one, are none."""
        named = DecodeOptions(language=engine.languages[0])
        asked, given = engine.transcribe([DecodeRequest(pcm=speech[0]), DecodeRequest(pcm=speech[0], options=named)])
        assert given.passages == ()
        assert asked.language in engine.languages
        edges = [edge for passage in asked.passages for edge in (passage.start_s, passage.end_s)]
        if len(engine.languages) > 1:
            assert (edges[0], edges[-1]) == pytest.approx((0.0, len(speech[0]) / 16_000))
            assert edges[1:-1:2] == edges[2::2]
            assert all(0 <= passage.probability <= 1 for passage in asked.passages)

    def test_model_is_named(self, engine: Engine) -> None:
        """Enough is known about the model to explain why two runs differ."""
        assert engine.info.name
        assert engine.info.compute_type
        assert len(engine.info.sha256) == 64
