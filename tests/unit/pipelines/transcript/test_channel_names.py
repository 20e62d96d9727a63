"""Names of channels that were sound tracks."""

import pytest

from pipelines.core import SoundTrack
from pipelines.transcript.channel_names import channel_names


def track(number, *channels, title="", language=""):
    return SoundTrack(number=number, codec="aac", n_channels=1, title=title, language=language, channels=channels)


DESKTOP = track(1, 0, title="Desktop", language="eng")
MICROPHONE = track(2, 1, title="Microphone")
CHINESE = track(3, 2, language="chi")


@pytest.mark.parametrize(
    ("given", "tracks", "names"),
    [
        ((), (), ()),
        (("Ann",), (DESKTOP,), ("Ann",)),
        ((), (DESKTOP, track(2)), ()),
        ((), (DESKTOP, MICROPHONE, CHINESE), ("Desktop (eng)", "Microphone", "Track 3 (chi)")),
        (("Ann", " "), (DESKTOP, MICROPHONE), ("Ann", "Microphone")),
        (("Ann", "Bob", "Eve"), (DESKTOP, MICROPHONE), ("Ann", "Bob", "Eve")),
        ((), (track(1, 0), track(2), track(3, 1, 2)), ("Track 1", "Track 3 1", "Track 3 2")),
        ((), (track(1, 0, title="Mic"), track(2, 1, title="Mic")), ("Mic 1", "Mic 2")),
    ],
    ids=["none", "one track", "one heard", "several", "given ones first", "more than channels", "wide", "same title"],
)
def test_names(given, tracks, names):
    """Given ones go before those of tracks; one track is no name of its own, for its channels have numbers."""
    assert channel_names(given, tracks) == names
