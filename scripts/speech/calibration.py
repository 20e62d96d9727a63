"""Makes the calibration set of ``pipelines/models/calibration``: the command ``make-calibration``."""

import argparse
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from pipelines.codec import encode
from pipelines.whisper.encoding.calibration import CATALOGUE, FOLDER, CalibrationRecording
from scripts.speech.calibration_texts import READINGS, Reading
from scripts.speech.containers import Format, encode_audio
from scripts.speech.voices import PCM, SAMPLE_RATE, SpeechError, level, run_program, samples

DESCRIPTION = """\
Make the recordings by which ways of computing Whisper are compared, in eight or more languages.
Needs the Debian packages espeak-ng, flite, festival, and of its voices festvox-suopuhe-lj and festvox-ca-ona-hts."""

OPUS = Format(container="ogg", codec="libopus", bit_rate=12_500)
FESTIVAL_ENCODINGS = {
    "suo_fi_lj_diphone": "latin-1",
    "upc_ca_ona_hts": "latin-1",
}
"""Of the texts that a voice reads, where it is not UTF-8."""


def read_out(reading: Reading) -> PCM:
    """Say a reading: int16 mono samples at 16 kHz. Raises `SpeechError`."""
    text = reading.spoken or reading.text
    match reading.program:
        case "espeak-ng":
            wav = run_program("espeak-ng", "-v", reading.voice, "-s", str(reading.rate), "--stdout", "--", text)
        case "flite":
            with tempfile.TemporaryDirectory(prefix="speech-") as folder:
                file = Path(folder, "speech.wav")
                run_program("flite", "-voice", reading.voice, "-t", text, "-o", str(file))
                wav = file.read_bytes()
        case "festival":
            encoded = text.encode(FESTIVAL_ENCODINGS.get(reading.voice, "utf-8"))
            wav = run_program("text2wave", "-eval", f"(voice_{reading.voice})", stdin=encoded)
    return level(samples(wav), text)


def write_set(folder: Path) -> int:
    """Write the recordings and their catalogue into ``folder``; returns their bytes together."""
    folder.mkdir(parents=True, exist_ok=True)
    catalogue = []
    for language, readings in READINGS.items():
        for number, reading in enumerate(readings, start=1):
            pcm = read_out(reading)
            file = f"{language}-{number}.opus"
            (folder / file).write_bytes(encode_audio(pcm[None], OPUS))
            duration_s = round(len(pcm) / SAMPLE_RATE, 2)
            catalogue.append(
                CalibrationRecording(file=file, language=language, text=reading.text, duration_s=duration_s)
            )
    lines = ",\n".join(encode(recording).decode() for recording in catalogue)
    (folder / CATALOGUE).write_text(f"[\n{lines}\n]\n", encoding="utf-8")
    return sum(path.stat().st_size for path in folder.iterdir())


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the set; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="make-calibration", description=DESCRIPTION, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=FOLDER, help="folder to write to (default: %(default)s)")
    options = parser.parse_args(arguments)
    try:
        n_bytes = write_set(options.out)
    except SpeechError as error:
        print(f"make-calibration: {error}", file=sys.stderr)
        return 1
    print(f"{sum(map(len, READINGS.values()))} recordings, {n_bytes / 1000:.0f} kB")
    return 0


if __name__ == "__main__":
    sys.exit(main())
