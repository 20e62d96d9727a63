"""The zoo: one recording in every container and codec that this machine's FFmpeg writes.

Each file says in ``truth.json`` which container it is, whether the product takes it, how long it is and what is said.
Besides whole files there are those that went through a pipe, as recorders write them that cannot go back to fill in
lengths, films, and other files that only look like recordings. The zoo is made when it is needed and kept nowhere.
"""

import json
import shutil
import struct
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

AT_ONCE = 2
_PCM = ("pcm_s16le", "pcm_s16be", "pcm_u8", "pcm_s24le", "pcm_s32le", "pcm_f32le", "pcm_f64le", "pcm_mulaw", "pcm_alaw")
_BIG = ("pcm_s16be", "pcm_s8", "pcm_s24be", "pcm_s32be", "pcm_f32be", "pcm_f64be", "pcm_mulaw", "pcm_alaw")
_ADPCM = ("adpcm_ms", "adpcm_ima_wav", "adpcm_yamaha")
_MODERN = ("aac", "libmp3lame", "ac3", "libopus", "flac", "libvorbis")
WRITTEN: dict[str, tuple[str, ...]] = {
    "wav": (*_PCM, *_ADPCM, "libgsm_ms", "g726", "libmp3lame", "mp2", "ac3", "wmav2", "g722", "g723_1", "nellymoser"),
    "w64": (*_PCM[:6], "pcm_mulaw", "adpcm_ms"),
    "aiff": (*_BIG, "adpcm_ima_qt"),
    "au": (*_BIG[:2], *_BIG[3:], "g722", "g726"),
    "caf": (*_PCM[:1], *_BIG, "alac", "adpcm_ima_qt", "aac", "libopus", "flac", "ac3"),
    "mp3": ("libmp3lame", "libshine"),
    "mp2": ("mp2", "libtwolame"),
    "adts": ("aac",),
    "latm": ("aac",),
    "mp4": ("aac", "alac", "libmp3lame", "ac3", "eac3", "libopus", "flac", "mp2", "libvorbis", "dca"),
    "mov": (
        "aac",
        "alac",
        "pcm_s16le",
        "pcm_s16be",
        "pcm_s24be",
        "pcm_f32le",
        "pcm_mulaw",
        "adpcm_ima_qt",
        "libmp3lame",
    ),
    "ipod": ("aac", "alac"),
    "3gp": ("aac",),
    "3g2": ("aac",),
    "ismv": ("aac",),
    "psp": ("aac",),
    "f4v": ("aac",),
    "matroska": (*_MODERN, *_PCM[:4], "alac", "wavpack", "tta", "dca", "truehd", "mp2", "eac3", "adpcm_ms", "wmav2"),
    "webm": ("libopus", "libvorbis"),
    "ogg": ("libopus", "libvorbis", "libspeex", "flac"),
    "opus": ("libopus",),
    "oga": ("flac", "libopus", "libspeex"),
    "spx": ("libspeex",),
    "flac": ("flac",),
    "asf": ("wmav2", "wmav1", "libmp3lame", "pcm_s16le", "aac", "adpcm_ms"),
    "avi": (
        *_PCM[:1],
        *_PCM[2:4],
        "pcm_mulaw",
        *_ADPCM,
        "libmp3lame",
        "mp2",
        "ac3",
        "aac",
        "wmav2",
        "flac",
        "libgsm_ms",
    ),
    "mpegts": ("mp2", "libmp3lame", "aac", "ac3", "eac3", "libopus", "dca", "s302m", "truehd"),
    "mpeg": ("mp2", "ac3", "libmp3lame"),
    "vob": ("mp2", "ac3", "dca", "pcm_dvd"),
    "dvd": ("mp2", "ac3"),
    "svcd": ("mp2",),
    "vcd": ("mp2",),
    "flv": ("libmp3lame", "aac", "pcm_s16le", "pcm_mulaw", "pcm_alaw", "adpcm_swf", "nellymoser", "libspeex"),
    "mxf": ("pcm_s16le", "pcm_s24le"),
    "mxf_opatom": ("pcm_s16le",),
    "dv": ("pcm_s16le",),
    "amr": ("libopencore_amrnb",),
    "gsm": ("libgsm",),
    "ac3": ("ac3", "ac3_fixed"),
    "eac3": ("eac3",),
    "dts": ("dca",),
    "wv": ("wavpack",),
    "tta": ("tta",),
    "voc": ("pcm_s16le", "pcm_u8", "pcm_mulaw", "pcm_alaw"),
    "ircam": ("pcm_s16le", "pcm_mulaw", "pcm_alaw", "pcm_f32le"),
    "sox": ("pcm_s32le",),
    "rm": ("ac3", "real_144"),
    "truehd": ("truehd",),
    "mlp": ("mlp",),
    "nut": ("pcm_s16le", "aac", "libmp3lame"),
    "gxf": ("pcm_s16le",),
    "wtv": ("mp2", "ac3"),
    "swf": ("libmp3lame",),
    "g722": ("g722",),
    "g723_1": ("g723_1",),
    "g726": ("g726",),
    "codec2": ("libcodec2",),
    "sbc": ("sbc",),
    "aptx": ("aptx",),
    "s16le": ("pcm_s16le",),
    "mulaw": ("pcm_mulaw",),
    "adx": ("adpcm_adx",),
    "smjpeg": ("pcm_s16le",),
    "mmf": ("adpcm_yamaha",),
    "rso": ("pcm_u8",),
    "kvag": ("adpcm_ima_ssi",),
    "amv": ("adpcm_ima_amv",),
    "spdif": ("ac3",),
}
"""Encoders that are tried for each of FFmpeg's muxers; what does not work on a machine is left out."""

ACCEPTED_MUXERS = {
    **dict.fromkeys(("wav", "rf64"), "WAV"),
    "w64": "Wave64",
    "aiff": "AIFF",
    "au": "AU",
    "caf": "CAF",
    **dict.fromkeys(("mp3", "mp2"), "MP3"),
    **dict.fromkeys(("adts", "latm"), "AAC"),
    **dict.fromkeys(("mp4", "mov", "ipod", "3gp", "3g2", "ismv", "psp", "f4v"), "MP4/MOV/3GP"),
    **dict.fromkeys(("matroska", "webm"), "Matroska/WebM"),
    **dict.fromkeys(("ogg", "opus", "oga", "spx"), "Ogg"),
    "flac": "FLAC",
    "asf": "WMA/WMV",
    **dict.fromkeys(("avi", "amv"), "AVI"),
    "mpegts": "MPEG-TS",
    **dict.fromkeys(("mpeg", "vob", "dvd", "svcd", "vcd"), "MPEG-PS"),
    "flv": "FLV",
    **dict.fromkeys(("mxf", "mxf_opatom"), "MXF"),
    "dv": "DV",
    "amr": "AMR",
    "gsm": "GSM",
    **dict.fromkeys(("ac3", "eac3"), "AC-3"),
    "dts": "DTS",
    "wv": "WavPack",
    "tta": "True Audio",
    "voc": "VOC",
    "ircam": "IRCAM",
    "sox": "SoX",
    "rm": "RealMedia",
}
"""The container in `pipelines.audio.formats.CONTAINERS` that a muxer writes; files of others are to be refused."""

_RATES: dict[str | tuple[str, str], int] = {
    **dict.fromkeys(("libgsm", "libgsm_ms", "g723_1", "g726", "nellymoser", "real_144", "libcodec2"), 8_000),
    **dict.fromkeys(("libopencore_amrnb", "voc", ("flv", "pcm_mulaw"), ("flv", "pcm_alaw")), 8_000),
    **dict.fromkeys(("libspeex", ("g722", "g722")), 16_000),
    **dict.fromkeys(("libopus", "s302m", "pcm_dvd", "dv", "mxf", "mxf_opatom", "gxf", "vob", "dvd"), 48_000),
}
"""Hz that a codec, a muxer or both want; all others take 44100."""
_STEREO = ("dv", "s302m", "pcm_dvd", "aptx")
_SUFFIXES = {
    "matroska": "mkv",
    "mpegts": "ts",
    "mpeg": "mpg",
    "adts": "aac",
    "ipod": "m4a",
    "asf": "wma",
    "aiff": "aif",
    "g722": "bin",  # its own suffix would declare it
}
PIPED = (
    "wav",
    "w64",
    "aiff",
    "au",
    "caf",
    "mp3",
    "adts",
    "matroska",
    "webm",
    "ogg",
    "flac",
    "asf",
    "avi",
    "mpegts",
    "mpeg",
    "flv",
    "voc",
    "wv",
    "rf64",
)
FILMS = (
    *(("avi", "mpeg4", "libmp3lame"), ("mpegts", "mpeg2video", "mp2"), ("mpeg", "mpeg1video", "mp2")),
    *(("vob", "mpeg2video", "ac3"), ("flv", "flv", "libmp3lame"), ("asf", "wmv2", "wmav2"), ("mp4", "mpeg4", "aac")),
    *(("mov", "mjpeg", "pcm_s16le"), ("matroska", "mpeg4", "libopus"), ("webm", "libvpx", "libvorbis")),
    *(
        ("3gp", "h263", "aac"),
        ("mxf", "mpeg2video", "pcm_s16le"),
        ("dv", "dvvideo", "pcm_s16le"),
        ("rm", "rv10", "ac3"),
    ),
)
"""Muxer, encoder of the picture, encoder of the sound."""


@dataclass(frozen=True, kw_only=True)
class Animal:
    """A file of the zoo: ``outcome`` is "succeeds" or the reason for which it is refused; ``text`` what is said."""

    name: str
    container: str
    codec: str
    outcome: str
    duration_s: float
    text: str = ""
    note: str = field(default="")


def make_zoo(folder: Path, sample: Path, truth: Path) -> list[Animal]:
    """Write the files and ``truth.json``; raises ``FileNotFoundError`` where FFmpeg is not installed."""
    if shutil.which("ffmpeg") is None:
        raise FileNotFoundError("install ffmpeg first: apt-get install ffmpeg")
    said = json.loads(truth.read_text(encoding="utf-8"))
    text = " ".join(segment["text"] for segment in said["segments"])
    folder.mkdir(parents=True, exist_ok=True)
    orders = [*_orders(folder, sample)]
    with ThreadPoolExecutor(AT_ONCE) as threads:
        written = list(threads.map(lambda order: _write(*order[1:]), orders))
    animals = [
        Animal(
            name=path.name,
            container=ACCEPTED_MUXERS.get(muxer, muxer),
            codec=codec,
            outcome="succeeds" if muxer in ACCEPTED_MUXERS else "unsupported_format",
            duration_s=said["duration_s"],
            text=text if muxer in ACCEPTED_MUXERS else "",
            note=note,
        )
        for (muxer, codec, note), path, is_there in (
            (order[0], order[1], there) for order, there in zip(orders, written, strict=True)
        )
        if is_there
    ]
    animals += _by_hand(folder, sample, said["duration_s"], text)
    table = [asdict(animal) for animal in animals]
    (folder / "truth.json").write_text(json.dumps(table, indent=1) + "\n", encoding="utf-8")
    return animals


def read_zoo(folder: Path) -> list[Animal]:
    """Return the files of a zoo."""
    return [Animal(**item) for item in json.loads((folder / "truth.json").read_text(encoding="utf-8"))]


_Order = tuple[tuple[str, str, str], Path, list[str], bool]


def _orders(folder: Path, sample: Path) -> Iterator[_Order]:
    """Yield muxer, codec and note, the file, FFmpeg's arguments, and whether it goes through a pipe."""
    source = ["-i", str(sample)]
    for muxer, codecs in WRITTEN.items():
        for codec in codecs:
            path = folder / f"{muxer}-{codec}.{_SUFFIXES.get(muxer, muxer)}"
            yield (muxer, codec, ""), path, [*source, "-vn", *_sound(muxer, codec), "-f", muxer], False
    yield (
        ("rf64", "pcm_s16le", ""),
        folder / "rf64.wav",
        [*source, "-rf64", "always", "-c:a", "pcm_s16le", "-f", "wav"],
        False,
    )
    for muxer in PIPED:
        codec = WRITTEN.get(muxer, ("pcm_s16le",))[0]
        path = folder / f"piped-{muxer}.{_SUFFIXES.get(muxer, muxer)}"
        extra = ["-rf64", "always", "-f", "wav"] if muxer == "rf64" else ["-f", muxer]
        yield (muxer, codec, "through a pipe"), path, [*source, "-vn", *_sound(muxer, codec), *extra], True
    picture = ["-f", "lavfi", "-i", "testsrc=size=352x288:rate=25"]
    for muxer, video, codec in FILMS:
        path = folder / f"film-{muxer}.{_SUFFIXES.get(muxer, muxer)}"
        size = ["-s", "720x576", "-pix_fmt", "yuv420p"] if muxer == "dv" else []
        how = ["-map", "0:v", "-map", "1:a", "-c:v", video, *size, *_sound(muxer, codec), "-shortest", "-f", muxer]
        yield (muxer, codec, f"a film, {video}"), path, [*picture, *source, *how], False


def _sound(muxer: str, codec: str) -> list[str]:
    rate = _RATES.get((muxer, codec)) or _RATES.get(codec) or _RATES.get(muxer, 44_100)
    channels = "2" if muxer in _STEREO or codec in _STEREO else "1"
    return ["-c:a", codec, "-ar", str(rate), "-ac", channels, "-strict", "-2"]


def _write(path: Path, arguments: list[str], piped: bool) -> bool:
    """Run FFmpeg; return whether it wrote a file."""
    command = ["ffmpeg", "-hide_banner", "-loglevel", "error", "-nostdin", "-y", *arguments]
    if piped:
        done = subprocess.run([*command, "pipe:1"], capture_output=True, check=False)
        path.write_bytes(done.stdout)
    else:
        done = subprocess.run([*command, str(path)], capture_output=True, check=False)
    if done.returncode == 0 and path.stat().st_size > 1_000:
        return True
    path.unlink(missing_ok=True)
    return False


def _by_hand(folder: Path, sample: Path, duration_s: float, text: str) -> Iterator[Animal]:
    """Yield what FFmpeg does not write."""
    pcm = _pcm(sample)
    rf64 = struct.pack("<4sI4s4sI28x", b"RF64", 0xFFFFFFFF, b"WAVE", b"ds64", 28)
    rf64 += struct.pack("<4sIHHIIHH4sI", b"fmt ", 16, 1, 1, 16_000, 32_000, 2, 16, b"data", 0xFFFFFFFF)
    sphere = "NIST_1A\n   1024\nchannel_count -i 1\nsample_rate -i 16000\nsample_n_bytes -i 2\n"
    sphere += f"sample_count -i {len(pcm) // 2}\nsample_byte_format -s2 01\nsample_coding -s3 pcm\nend_head\n"
    heard = {
        "never-closed-rf64.wav": ("WAV", rf64 + pcm),
        "sphere.sph": ("NIST SPHERE", sphere.encode().ljust(1024) + pcm),
        "behind-noise.mp3": ("MP3", bytes(range(1, 256)) * 40 + (folder / "mp3-libmp3lame.mp3").read_bytes()),
    }
    for name, (container, data) in heard.items():
        (folder / name).write_bytes(data)
        yield Animal(name=name, container=container, codec="", outcome="succeeds", duration_s=duration_s, text=text)
    refused = {
        "minutes.pdf": ("a PDF", b"%PDF-1.7\n" + bytes(2_000)),
        "archive.zip": ("a zip archive or an Office document", b"PK\x03\x04" + bytes(2_000)),
        "page.mp3": ("an HTML page", b"<!DOCTYPE html><html><body>Please log in.</body></html>"),
        "list.wav": ("a playlist", b"#EXTM3U\nshort.mp3\n"),
        "samples.wav": ("", pcm),
        "notes.m4a": ("a text", "Mañana: llamar a Rachel.\n".encode() * 50),
    }
    for name, (container, data) in refused.items():
        (folder / name).write_bytes(data)
        yield Animal(name=name, container=container, codec="", outcome="unsupported_format", duration_s=0.0)
    (folder / "empty.wav").write_bytes(b"")
    yield Animal(name="empty.wav", container="", codec="", outcome="empty_audio", duration_s=0.0)


def _pcm(sample: Path) -> bytes:
    """Return the sample as little-endian int16 at 16 kHz."""
    with tempfile.TemporaryDirectory(prefix="zoo-") as folder:
        path = Path(folder, "pcm")
        raw = ["-ar", "16000", "-ac", "1", "-f", "s16le", str(path)]
        subprocess.run(["ffmpeg", "-loglevel", "error", "-nostdin", "-i", str(sample), *raw], check=True)
        return path.read_bytes()
