"""`scripts/measure-vocabulary`: terms found and words harmed, by a prompt, by sounds after decoding, and by neither."""

import argparse
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from pipelines.audio.decode import decode_audio
from pipelines.core import Transcript
from pipelines.jobs.options import MAX_TERMS
from pipelines.minutes.language.proper_names import names_in
from pipelines.vocabulary.matching import with_terms
from pipelines.whisper.ct2_model import EngineOptions
from pipelines.whisper.initial_prompt import priming_text
from pipelines.whisper.options import DecodeOptions
from scripts.hearing.corpus import Recording
from scripts.in_process import Product
from scripts.published_weights import CACHE
from scripts.throughput.models import MODEL_NAMES, model_named
from scripts.vocabulary.counting import Count, count
from scripts.vocabulary.planted import CHINESE_TERMS, ENGLISH_TERMS, add_corpora, corpora

Hear = Callable[[Recording, str], Transcript]
"""Returns a transcript with words, primed with a text."""

WAYS = ("none", "prompt", "match", "both")
"""Uses of the terms: `pipelines.jobs.options.JobOptions` has all but the first."""

_LONGEST_S = 4 * 3600


def main(arguments: Sequence[str] | None = None, hear: Hear | None = None) -> None:
    """Do what the command line asks for; ``hear`` stands for the model."""
    options = _parser().parse_args(arguments)
    with corpora(options.data, planted=options.planted) as recordings:
        hear = hear or _hearing(model_named(options.model, CACHE / "bench"), options.cores)
        terms = terms_of(recordings)
        counts: defaultdict[tuple[str, str], Count] = defaultdict(Count)
        for recording in recordings:
            for way, transcript in _ways(recording, terms, hear):
                counts[recording.group, way] += _counted(recording, transcript, terms)
        print(report(counts), flush=True)


def terms_of(recordings: Sequence[Recording]) -> tuple[str, ...]:
    """Return the terms of all recordings: the names in their truth, and those that are planted, `MAX_TERMS` at most.

    Every recording is heard with the terms of all: those of the others can only harm it.
    """
    texts = [(channel.text, recording.language) for recording in recordings for channel in recording.channels]
    named = [name.title() for text, language in texts for name in sorted(names_in(text, language))]
    planted = [term for term in (*ENGLISH_TERMS, *CHINESE_TERMS) if any(term in text for text, _ in texts)]
    return tuple(dict.fromkeys((*planted, *named)))[:MAX_TERMS]


def _ways(recording: Recording, terms: Sequence[str], hear: Hear) -> Iterator[tuple[str, Transcript]]:
    plain, primed = hear(recording, ""), hear(recording, priming_text("", terms))
    yield "none", plain
    yield "prompt", primed
    yield "match", with_terms(plain, terms)
    yield "both", with_terms(primed, terms)


def _counted(recording: Recording, transcript: Transcript, terms: Sequence[str]) -> Count:
    total = Count()
    for number, channel in enumerate(recording.channels):
        heard = " ".join(each.text for each in transcript.segments if each.channel == number)
        total += count(channel.text, heard, terms, recording.language)
    return total


def report(counts: Mapping[tuple[str, str], Count]) -> str:
    """Return a table in Markdown: groups of recordings by the use of the terms."""
    rows = [
        "| recordings | terms | said | found | invented | other words | right |",
        "|---|---|---:|---:|---:|---:|---:|",
    ]
    for (group, way), one in sorted(counts.items(), key=lambda each: (each[0][0], WAYS.index(each[0][1]))):
        right = f"{100 * one.n_right / max(1, one.n_others):.1f} %"
        cells = (group, way, one.n_terms, one.n_found, one.n_invented, one.n_others, right)
        rows.append(f"| {' | '.join(map(str, cells))} |")
    return "\n".join(rows)


def _hearing(model: Path, cores: int) -> Hear:
    product = Product(model, EngineOptions(device="cpu", intra_threads=cores))

    def hear(recording: Recording, prompt: str) -> Transcript:
        pcm = np.concatenate(list(decode_audio(recording.path, max_duration_s=_LONGEST_S)), axis=1)
        if not recording.split:
            pcm = np.rint(pcm.mean(axis=0, keepdims=True)).astype(np.int16)
        options = DecodeOptions(language=recording.language, word_timestamps=True, prompt=prompt)
        return product.transcript(pcm, options)

    return hear


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="measure-vocabulary",
        description="Transcribe recordings with known words (scripts/hearing/corpus.py) without terms, primed with "
        "them, and with doubtful words compared with them afterwards. The terms are the names in the truth of all "
        "recordings. Prints a table: terms found and invented, other words that are right.",
    )
    add_corpora(parser)
    parser.add_argument("--model", default="base", help=f"{MODEL_NAMES} (%(default)s)")
    parser.add_argument("--cores", type=int, default=1, help="that may be used (%(default)s)")
    return parser


if __name__ == "__main__":
    main()
