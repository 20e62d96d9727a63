"""Format times for documents and subtitles."""


def clock(seconds: float, *, with_hours: bool = False) -> str:
    """Write a time as ``m:ss``, or ``h:mm:ss`` from one hour on or ``with_hours``; fractions are cut off."""
    minutes, second = divmod(int(seconds), 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours}:{minute:02}:{second:02}" if hours or with_hours else f"{minutes}:{second:02}"


def timestamp(milliseconds: int, separator: str) -> str:
    """Write total milliseconds as ``HH:MM:SS``, the separator and three digits."""
    total_s, fraction = divmod(milliseconds, 1000)
    minutes, second = divmod(total_s, 60)
    hours, minute = divmod(minutes, 60)
    return f"{hours:02}:{minute:02}:{second:02}{separator}{fraction:03}"
