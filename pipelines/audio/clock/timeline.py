"""The clock of a recording: where frames belong by their time stamps, and what the time between them is.

A gap is a pause that was not sent (a telephone or a browser that saves bytes while nobody speaks) or sound that was
lost. It is lost where the demuxer or the decoder reported errors before it, and in containers that never leave a pause
out. Pure: pieces go in, frames and gaps come out.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from math import isnan
from typing import Any, NamedTuple

MAX_BLIND_GAP_S = 600.0  # longest hole that is filled although the recording's length does not bear it out
MAX_UNCONFIRMED_GAP_S = 60.0  # the same for a hole before the last frame of all, which no other frame confirms
GAP_TOLERANCE_S = 0.1  # containers round timestamps; smaller steps are no gaps
IN_STEP_S = 0.02  # a frame that is so near to its place has nothing missing before it
CALM_S = 0.25  # of such frames after which errors are no reason for a gap: demuxers report them some packets early


class Piece(NamedTuple):
    """A decoded frame, or time without one; ``stamp_s`` is where its container puts it, None where it does not say.

    Without a ``frame`` the ``length_s`` is a pause, or ``lost``. ``troubled``: errors were reported since the piece
    before. It is a tuple because there is one for each frame of a codec, and a dataclass takes three times as long.
    """

    length_s: float
    stamp_s: float | None = None
    frame: Any | None = None
    lost: bool = False
    troubled: bool = False


@dataclass(frozen=True, kw_only=True, slots=True)
class Gap:
    """Time without sound: a pause, or what was ``lost``."""

    length_s: float
    lost: bool


def on_clock(
    pieces: Iterable[Piece], *, start_s: float = 0.0, reach_s: float | None = None, has_pauses: bool = True
) -> Iterator[Any | Gap]:
    """Yield the frames of a recording in order, with the gaps between them.

    ``start_s`` is the recording's start on the clock of the stamps, ``reach_s`` its length by its header. A step of the
    stamps is believed when the piece after it does not fall behind it, and when it is no longer than `MAX_BLIND_GAP_S`
    or ends within ``reach_s``. Other steps, and all steps back, move the clock instead, unless one piece alone took
    them. Without ``has_pauses`` every gap is a loss.
    """
    clock = _Clock(start_s, reach_s, has_pauses)
    for piece in pieces:
        yield from clock.take(piece)
    yield from clock.finish()


@dataclass(frozen=True, kw_only=True, slots=True)
class _Held:
    """A piece behind a gap that waits to be confirmed by the next one."""

    piece: Piece
    stamp_s: float
    gap: Gap


@dataclass(frozen=True, kw_only=True, slots=True)
class _Strayed:
    """The origin before a piece moved the clock, and the stamp that would bear it out."""

    origin_s: float
    next_s: float


class _Clock:
    def __init__(self, start_s: float, reach_s: float | None, has_pauses: bool) -> None:
        self._start_s = start_s
        self._reach_s = reach_s
        self._has_pauses = has_pauses
        self._clock_s = 0.0  # end of what was yielded
        self._origin_s: float | None = None  # timestamp of clock 0
        self._held: _Held | None = None
        self._strayed: _Strayed | None = None
        self._troubled = False
        self._calm_s = 0.0  # of frames where they should be since errors were reported

    def take(self, piece: Piece) -> Sequence[Any | Gap]:
        """Return frames and gaps that are certain with this piece: nearly always its own frame alone."""
        if piece.troubled or piece.lost:
            self._troubled, self._calm_s = True, -piece.length_s
        stamp_s = piece.stamp_s
        if stamp_s is not None and isnan(stamp_s):
            stamp_s = None  # a timestamp without its unit
        if piece.frame is None and stamp_s is None and not piece.length_s:
            return ()
        before: Sequence[Any | Gap] = ()
        if (held := self._held) is not None:
            self._held = None
            stays = stamp_s is not None and stamp_s >= held.stamp_s + held.piece.length_s - GAP_TOLERANCE_S
            before = self._put(held.piece, held.gap if stays else None)
        if stamp_s is not None:
            if self._origin_s is None:
                self._origin_s = min(self._start_s, stamp_s)
            self._return(stamp_s)
            gap_s = stamp_s - self._origin_s - self._clock_s
            if gap_s > GAP_TOLERANCE_S and self._is_believable(gap_s, MAX_BLIND_GAP_S):
                gap = Gap(length_s=gap_s, lost=self._troubled or not self._has_pauses)
                self._held = _Held(piece=piece, stamp_s=stamp_s, gap=gap)
                self._troubled = False
                return before
            if abs(gap_s) > GAP_TOLERANCE_S:
                self._strayed = _Strayed(origin_s=self._origin_s, next_s=stamp_s + piece.length_s)
                self._origin_s = stamp_s - self._clock_s
            elif gap_s < IN_STEP_S:
                self._calm_s += piece.length_s
                self._troubled &= self._calm_s < CALM_S
        own = self._put(piece, None)
        return (*before, *own) if before else own

    def finish(self) -> Sequence[Any | Gap]:
        if (held := self._held) is None:
            return ()
        stays = self._is_believable(held.gap.length_s, MAX_UNCONFIRMED_GAP_S)
        return self._put(held.piece, held.gap if stays else None)

    def _return(self, stamp_s: float) -> None:
        """Take back a step of the clock that only one piece took."""
        if (strayed := self._strayed) is None:
            return
        self._strayed = None
        is_alone = abs(stamp_s - strayed.next_s) > GAP_TOLERANCE_S
        if is_alone and stamp_s - strayed.origin_s - self._clock_s >= -GAP_TOLERANCE_S:
            self._origin_s = strayed.origin_s

    def _is_believable(self, gap_s: float, limit_s: float) -> bool:
        return gap_s <= limit_s or (self._reach_s is not None and self._clock_s + gap_s <= self._reach_s)

    def _put(self, piece: Piece, gap: Gap | None) -> Sequence[Any | Gap]:
        if gap is not None:
            self._clock_s += gap.length_s
        self._clock_s += piece.length_s
        own: Sequence[Any | Gap] = ()
        if piece.frame is not None:
            own = (piece.frame,)
        elif piece.length_s > 0:
            own = (Gap(length_s=piece.length_s, lost=piece.lost),)
        return own if gap is None else (gap, *own)
