"""`FakeEngine`: an engine without weights whose text tells which samples it heard.

`coded_pcm` writes numbers into PCM as stretches of constant amplitude with silence between them; the engine reads
them back as words ``w7 w8 w9``. A lost chunk is a missing number, a chunk decoded twice a doubled one.
"""

import threading
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from zlib import crc32

import numpy as np
import numpy.typing as npt

from pipelines.core import SAMPLE_RATE, ChunkResult, DecodedSegment, LanguagePassage, ModelInfo, Word
from pipelines.whisper.options import DecodeRequest, Pcm, row_fault
from pipelines.whisper.row_decoder import failed, silent

WORD_S = 0.4
PAUSE_S = 0.1
MAX_CODE = 32_767
_MIN_CODE_SAMPLES = 160  # 10 ms; recorded sound is never constant for so long


def coded_pcm(numbers: Sequence[int]) -> npt.NDArray[np.int16]:
    """Return samples in which each number (1 to `MAX_CODE`) sounds for `WORD_S`, followed by `PAUSE_S` of silence."""
    word, pause = round(WORD_S * SAMPLE_RATE), round(PAUSE_S * SAMPLE_RATE)
    pcm = np.zeros((len(numbers), word + pause), np.int16)
    pcm[:, :word] = np.array(numbers, np.int16).reshape(-1, 1)
    return pcm.reshape(-1)


class FakeEngine:
    """`pipelines.whisper.engine.Engine` that reads coded numbers; PCM of any other kind has a word per second.

    Its English for other languages says ``t7`` instead of ``w7``. ``prompts`` records what rows were primed with.

    Rows that hold a number of ``poison`` fail, alone. ``batch_sizes`` records the rows of each call. While ``gate``
    is not set, calls wait.
    """

    def __init__(self, *, languages: tuple[str, ...] = ("en",), poison: Collection[int] = ()) -> None:
        self.languages = languages
        self.info = ModelInfo(name="fake", sha256="0" * 64, compute_type="none", device="cpu")
        self.poison = frozenset(poison)
        self.batch_sizes: list[int] = []
        self.prompts: set[str] = set()
        self.gate = threading.Event()
        self.gate.set()

    def warm_up(self) -> None:
        """There is nothing to warm up."""

    def resize(self, batch_size: int) -> None:
        """Whatever it is given is one batch."""

    def transcribe(self, rows: Sequence[DecodeRequest]) -> list[ChunkResult]:
        """Return one segment per row with its numbers as words, timed to the sample."""
        self.gate.wait()
        self.batch_sizes.append(len(rows))
        return [self._transcribe(row) for row in rows]

    def _passages(self, row: DecodeRequest) -> tuple[LanguagePassage, ...]:
        """Give all languages the same probability, but the first three times as much; none where one was given."""
        if row.options.language or len(self.languages) == 1:
            return ()
        total = len(self.languages) + 2
        return (
            LanguagePassage(
                start_s=0.0,
                end_s=row.duration_s,
                language=self.languages[0],
                probability=3 / total,
                runner_up=self.languages[1],
                runner_up_probability=1 / total,
            ),
        )

    def _transcribe(self, row: DecodeRequest) -> ChunkResult:
        if fault := row_fault(row):
            return failed(row, fault)
        language = row.options.language or self.languages[0]
        if language not in self.languages:
            return failed(row, f"model 'fake' does not speak {language!r}")
        self.prompts.add(row.options.prompt)
        words = tuple(_read(row.pcm))
        if row.options.task == "translate":
            words = tuple(replace(word, text=word.text.replace("w", "t")) for word in words)
        if poison := [word.text for word in words if int(word.text[2:]) in self.poison]:
            return failed(row, f"poisoned by{poison[0]}")
        if not words:
            return replace(silent(row, language), passages=self._passages(row))
        text = "".join(word.text for word in words)
        segment = DecodedSegment(
            start_s=words[0].start_s,
            end_s=words[-1].end_s,
            text=text,
            words=words if row.options.word_timestamps else (),
        )
        return ChunkResult(
            index=row.index,
            language=language,
            segments=(segment,),
            avg_logprob=-0.1,
            no_speech_prob=0.0,
            compression_ratio=1.0,
            temperature=0.0,
            passages=self._passages(row),
        )


def _read(pcm: Pcm) -> Iterator[Word]:
    """A word for every stretch of equal non-zero samples; where there is none, one for every second with sound."""
    values = pcm if pcm.dtype == np.int16 else np.round(pcm * 32_768).astype(np.int32)
    edges = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    coded = [(start, end) for start, end in pairwise(edges) if end - start >= _MIN_CODE_SAMPLES and values[start]]
    if coded:
        yield from (_word(abs(int(values[start])), start, end) for start, end in coded)
        return
    for start in range(0, len(values), SAMPLE_RATE):
        second = values[start : start + SAMPLE_RATE]
        if second.any():
            yield _word(crc32(second.tobytes()) % MAX_CODE, start, start + len(second))


def _word(number: int, start: int, end: int) -> Word:
    return Word(text=f" w{number}", start_s=start / SAMPLE_RATE, end_s=end / SAMPLE_RATE, probability=1.0)
