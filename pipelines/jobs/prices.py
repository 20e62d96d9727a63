"""`Prices`: what an operator reckons for work on machines of his own."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Prices:
    """Dollars for an hour of audio by class, and for an hour of the device; None: no price is set.

    Economy work costs what standard work does where it has no price of its own.
    """

    usd_per_audio_hour: float | None = None
    usd_per_economy_audio_hour: float | None = None
    usd_per_device_hour: float | None = None

    def of_audio(self, audio_s: float, *, economy: bool) -> float | None:
        """Return the price of audio of so many seconds."""
        price = self.usd_per_audio_hour
        if economy and self.usd_per_economy_audio_hour is not None:
            price = self.usd_per_economy_audio_hour
        return _for(audio_s, price)

    def of_device(self, device_s: float | None) -> float | None:
        """Return the price of so many seconds of the device."""
        return None if device_s is None else _for(device_s, self.usd_per_device_hour)


def _for(seconds: float, usd_per_hour: float | None) -> float | None:
    return None if usd_per_hour is None else round(seconds / 3600 * usd_per_hour, 4)
