"""Samples without a container: declared by the content type, decoded like any file."""

import av
import numpy as np
import pytest

from deployments.sources.raw_audio import header_for
from pipelines.audio.decode import decode_audio, probe
from pipelines.errors import InvalidRequest

RATE = 8_000
TONE = (8_000 * np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE)).astype(np.int16)


def companded(codec):
    """The tone in a telephone's encoding, by FFmpeg."""
    encoder = av.CodecContext.create(codec, "w")
    encoder.sample_rate, encoder.layout, encoder.format = RATE, "mono", "s16"
    frame = av.AudioFrame.from_ndarray(TONE.reshape(1, -1), format="s16", layout="mono")
    frame.sample_rate = RATE
    return b"".join(bytes(packet) for packet in [*encoder.encode(frame), *encoder.encode(None)])


@pytest.mark.parametrize(
    ("content_type", "samples"),
    [
        ("audio/L16; rate=8000; channels=1", TONE.astype(">i2").tobytes()),
        ("audio/l16;rate=8000", TONE.astype(">i2").tobytes()),
        ("audio/pcm; rate=8000", TONE.astype("<i2").tobytes()),
        ("audio/PCMU", companded("pcm_mulaw")),
        ("audio/basic", companded("pcm_mulaw")),
        ("audio/PCMA; rate=8000", companded("pcm_alaw")),
    ],
)
async def test_every_encoding_is_heard(api, tmp_path, content_type, samples):
    """A second of a tone comes back as a second of that tone."""
    answer = await api.client.post("/v1/jobs", content=samples, headers={"content-type": content_type})
    assert answer.status_code == 202, answer.text
    path = tmp_path / "source"
    path.write_bytes(api.store.get(f"default/{answer.json()['id']}/source"))
    assert (probe(path).sample_rate, probe(path).n_channels) == (RATE, 1)
    pcm = np.concatenate(list(decode_audio(path, max_duration_s=10)), axis=1)[0]
    assert len(pcm) == pytest.approx(16_000, abs=100)
    spectrum = np.abs(np.fft.rfft(pcm[:16_000]))
    assert np.argmax(spectrum) == pytest.approx(440, abs=3)


def test_channels_are_told_apart(tmp_path):
    """Interleaved samples of two channels stay two channels."""
    path = tmp_path / "call"
    both = np.stack([TONE, np.zeros_like(TONE)], axis=1).astype(">i2").tobytes()
    path.write_bytes(header_for("audio/L16; rate=8000; channels=2") + both)
    left, right = np.concatenate(list(decode_audio(path, channels="split", max_duration_s=10)), axis=1)
    assert np.abs(left).max() > 5_000
    assert np.abs(right).max() < 50


@pytest.mark.parametrize("content_type", ["audio/wav", "application/octet-stream", "video/mp4; rate=1"])
def test_containers_get_no_header(content_type):
    """What has a container of its own is left as it is."""
    assert header_for(content_type) == b""


@pytest.mark.parametrize(
    "content_type", ["audio/L16", "audio/L16; rate=1", "audio/L16; rate=x", "audio/pcm; rate=8000; channels=99"]
)
async def test_declarations_that_say_too_little(api, content_type):
    """Without a rate, or with one that cannot be, nothing is guessed."""
    with pytest.raises(InvalidRequest):
        header_for(content_type)
    answer = await api.client.post("/v1/jobs", content=b"\0\0", headers={"content-type": content_type})
    assert answer.status_code == 400


async def test_no_samples(api):
    """A header alone is no recording."""
    answer = await api.client.post("/v1/jobs", headers={"content-type": "audio/L16; rate=8000"})
    assert (answer.status_code, answer.json()["reason"]) == (422, "empty_audio")
