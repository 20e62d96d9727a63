"""Measures what hiding words costs in processor time and memory: ``scripts/measure-masking --cost``."""

import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from pipelines.audio.decode import decode_audio
from pipelines.audio.pcm import Pcm
from pipelines.audio.playback import PlaybackCopy, muted
from pipelines.core import SAMPLE_RATE, ModelInfo, Segment, Transcript, Word
from pipelines.text.redaction import MaskKind, mask_transcript
from pipelines.transcript.masked_audio import masked_audio

RECORDING = Path(__file__).parents[1] / "tests" / "data" / "meeting-12min.mp3"
N_SEGMENTS = 1000
SEGMENT_S = 3.6
"""So that `N_SEGMENTS` are an hour."""

# Reads the lists of a language in a process of its own; prints seconds of processor time and MB.
LISTS = """
import sys, time
from pipelines.text.redaction import Scope, masked_spans
def held():
    return int(open("/proc/self/statm").read().split()[1]) * 4096 / 1e6
before, began_s = held(), time.process_time()
masked_spans(sys.argv[2], ("names", "places"), Scope(language=sys.argv[1]))
print(f"{time.process_time() - began_s:.1f} s, {held() - before:.0f} MB")
"""


def print_cost(texts: dict[str, Sequence[str]], kinds: Sequence[MaskKind]) -> None:
    """Print the cost of lists, of text by language, and of sound; ``texts`` are sentences by language."""
    for language, sentences in texts.items():
        command = [sys.executable, "-P", "-c", LISTS, language, sentences[0]]
        print(
            f"lists, {language}: {subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()}"
        )
    for language, sentences in texts.items():
        transcript = _transcript(sentences, language)
        masked_audio(transcript, kinds)  # reads the lists
        stretches = _processor_s(lambda said=transcript: masked_audio(said, kinds))
        written = _processor_s(lambda said=transcript: mask_transcript(said, kinds))
        print(f"an hour, {language} ({N_SEGMENTS} segments): what to silence {stretches:.2f} s, words {written:.2f} s")
    hidden = masked_audio(_transcript(texts["en"], "en"), kinds).stretches
    hours = sum(block.shape[1] for block in _decoded()) / SAMPLE_RATE / 3600
    alone = _processor_s(lambda: sum(1 for _ in _decoded())) / hours
    copied = _processor_s(lambda: _copy([])) / hours
    silenced = _processor_s(lambda: _copy(hidden)) / hours
    print(f"an hour of sound: decoded {alone:.1f} s, and copied {copied:.1f} s, and silenced {silenced:.1f} s")


def _processor_s(run: Callable[[], object]) -> float:
    began_s = time.process_time()
    run()
    return time.process_time() - began_s


def _transcript(sentences: Sequence[str], language: str) -> Transcript:
    segments = tuple(
        _segment(number, sentences[number % len(sentences)], spaced=language == "en") for number in range(N_SEGMENTS)
    )
    return Transcript(
        duration_s=N_SEGMENTS * SEGMENT_S,
        language=language,
        languages=(),
        segments=segments,
        coverage=(),
        model=ModelInfo(name="none"),
    )


def _segment(number: int, text: str, *, spaced: bool) -> Segment:
    parts = [f" {word}" for word in text.split()] if spaced else list(text)
    start_s, step_s = number * SEGMENT_S, SEGMENT_S / len(parts)
    words = tuple(
        Word(text=part, start_s=start_s + i * step_s, end_s=start_s + (i + 1) * step_s, probability=0.9)
        for i, part in enumerate(parts)
    )
    end_s = start_s + SEGMENT_S
    return Segment(id=number, channel=0, speaker="", start_s=start_s, end_s=end_s, text=text, words=words)


def _decoded() -> Iterator[Pcm]:
    return decode_audio(RECORDING, channels="mix", max_duration_s=1e6)


def _copy(hidden: Sequence[tuple[float, float]]) -> None:
    with tempfile.TemporaryDirectory() as folder, PlaybackCopy(Path(folder) / "copy.webm") as copy:
        for _ in copy.listen(muted(_decoded(), hidden, "mute") if hidden else _decoded()):
            pass
