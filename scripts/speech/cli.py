"""Makes the sample recordings of ``tests/data``, or further meetings of any length: the command ``make-samples``."""

import argparse
import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from random import Random

from scripts.speech.catalogue import GROUPS, LONG_MEETING_VOICES, SEED
from scripts.speech.containers import FORMATS, encode_audio
from scripts.speech.long_meeting import PEOPLE, check_voices, long_meeting
from scripts.speech.truth import save_truth
from scripts.speech.voices import SpeechError, missing_programs
from scripts.speech.zoo import make_zoo

DATA = Path(__file__).parents[2] / "tests" / "data"
ZOO_SAMPLE, ZOO_TRUTH = "wrong-extension.mp3", "short.truth.json"  # without loss

DESCRIPTION = """\
Make recordings of synthetic meetings, each with its true words and times beside it (NAME.truth.json).

Without --minutes: all files of tests/data, the same bytes every time (with the same versions of the speech
programs and codecs). With --minutes: meetings of that length, spoken by the voices you name.
Needs the Debian packages flite and espeak-ng, and the Python packages av, numpy and pypinyin."""

EPILOG = """\
examples:
  scripts/make-samples                                   write tests/data again
  scripts/make-samples --minutes 60 --out meetings       one hour, meeting-1.mp3
  scripts/make-samples --zoo zoo                         one recording in every container and codec; needs ffmpeg
  scripts/make-samples --minutes 5 --count 20 --seed 7 --format opus --voices slt,awb,en-gb --out meetings"""


def write_samples(folder: Path, groups: Iterable[str]) -> None:
    """Write the files of `GROUPS`, their truths (``<stem>.truth.json``) and ``expectations.json`` into ``folder``.

    Expectations of other groups that are there already stay.
    """
    table = folder / "expectations.json"
    expectations = json.loads(table.read_text(encoding="utf-8")) if table.exists() else {}
    for sample in (sample for group in groups for sample in GROUPS[group]()):
        (folder / sample.name).write_bytes(sample.data)
        if sample.truth is not None:
            save_truth(sample.truth, folder / f"{Path(sample.name).stem}.truth.json")
        expectations[sample.name] = {"outcome": sample.outcome, "speech": sample.speech, "note": sample.note}
        print(f"{sample.name}: {len(sample.data):,} bytes, {sample.note}")
    table.write_text(json.dumps(expectations, indent=1, sort_keys=True) + "\n", encoding="utf-8")


def write_meetings(folder: Path, *, minutes: float, voices: Sequence[str], seed: int, count: int, format: str) -> None:
    """Write ``meeting-<number>.<format>`` with truths; the seeds count up from ``seed``."""
    for number in range(1, count + 1):
        recording = long_meeting(minutes, voices, Random(seed + number - 1))
        path = folder / f"meeting-{number}.{format}"
        path.write_bytes(encode_audio(recording.pcm, FORMATS[format]))
        save_truth(recording.truth, path.with_suffix(".truth.json"))
        print(f"{path}: {recording.truth.duration_s:.1f} s, {path.stat().st_size:,} bytes")


def _write_zoo(folder: Path) -> int:
    try:
        animals = make_zoo(folder, DATA / ZOO_SAMPLE, DATA / ZOO_TRUTH)
    except FileNotFoundError as error:
        print(f"make-samples: {error}", file=sys.stderr)
        return 1
    n_accepted = sum(animal.outcome == "succeeds" for animal in animals)
    print(f"{folder}: {len(animals)} files, {n_accepted} of them recordings that are accepted")
    return 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command; returns its exit code: 0 done, 1 a speech program is missing or failed, 2 wrong usage."""
    parser = argparse.ArgumentParser(
        prog="make-samples",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    more = parser.add_argument_group("further meetings")
    parser.add_argument("--out", type=Path, default=DATA, help="folder to write to (default: tests/data)")
    parser.add_argument("--only", choices=tuple(GROUPS), help="write one group of files again")
    more.add_argument("--minutes", type=float, help="length of each meeting, within some 30 s")
    more.add_argument("--count", type=int, default=1, help="how many meetings (default: 1)")
    more.add_argument("--seed", type=int, default=SEED, help=f"what is said and when (default: {SEED})")
    more.add_argument(
        "--voices",
        default=",".join(LONG_MEETING_VOICES),
        help=f"two or more of {', '.join(PEOPLE)}; the first one leads (default: %(default)s)",
    )
    more.add_argument("--format", choices=sorted(FORMATS), default="mp3", help="file format (default: mp3)")
    parser.add_argument("--zoo", type=Path, help="write one recording in every container and codec into this folder")
    options = parser.parse_args(arguments)
    if options.zoo:
        return _write_zoo(options.zoo)

    voices = options.voices.split(",")
    if options.minutes is None:
        changed = [f"--{name}" for name in _MEETING_OPTIONS if getattr(options, name) != parser.get_default(name)]
        if changed:
            parser.error(f"{', '.join(changed)} needs --minutes")
    elif options.minutes <= 0 or options.count < 1:
        parser.error("--minutes and --count must be positive")
    elif options.only:
        parser.error("--only and --minutes exclude each other")
    elif options.out.resolve() == DATA.resolve():
        parser.error("--minutes needs --out: tests/data holds only its own files")
    try:
        check_voices(voices)
    except ValueError as error:
        parser.error(str(error))

    if missing := missing_programs():
        print(f"make-samples: install the speech programs first: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    options.out.mkdir(parents=True, exist_ok=True)
    try:
        if options.minutes is None:
            write_samples(options.out, [options.only] if options.only else GROUPS)
        else:
            write_meetings(
                options.out,
                minutes=options.minutes,
                voices=voices,
                seed=options.seed,
                count=options.count,
                format=options.format,
            )
    except SpeechError as error:
        print(f"make-samples: {error}", file=sys.stderr)
        return 1
    return 0


_MEETING_OPTIONS = ("count", "seed", "voices", "format")

if __name__ == "__main__":
    sys.exit(main())
