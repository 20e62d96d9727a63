"""The key of voice profiles."""

from collections.abc import Mapping

from cluster.settings.secrets import VOICES_KEY, read_secret
from pipelines.errors import ConfigurationError
from pipelines.speakers.sealing import VoiceCipher


def voice_cipher(env: Mapping[str, str]) -> VoiceCipher | None:
    """Return what seals voices, None where no key is set; raises `ConfigurationError` for one that is none."""
    key = read_secret(VOICES_KEY, env)
    try:
        return VoiceCipher(key) if key else None
    except ConfigurationError as error:
        raise ConfigurationError(f"{VOICES_KEY}: {error} `meetmemo voices new-key` makes one.") from None
