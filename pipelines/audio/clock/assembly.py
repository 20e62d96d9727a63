"""`Assembly`: puts frames and gaps of one track, however its format changes, into blocks on one clock."""

from collections.abc import Generator, Iterable, Iterator
from typing import Any, Literal

from pipelines.audio.clock.damage import TAIL_TOLERANCE_S, DamageLog
from pipelines.audio.clock.timeline import MAX_BLIND_GAP_S, Gap
from pipelines.audio.mixing import Mixer, Remix
from pipelines.audio.pcm import Blocks, Pcm, Resampler
from pipelines.core import SAMPLE_RATE
from pipelines.errors import UnsupportedFormat


class Assembly:
    """Resamples what comes and cuts it into blocks; each part of a track fills the first of its channels.

    A "mix" has one channel, a "split" as many as the widest part so far; one that does not ``grow`` has as many as its
    first part. What was lost is silence that ``log`` names.
    """

    def __init__(
        self,
        *,
        channels: Literal["mix", "split"],
        blocks: Blocks,
        max_channels: int,
        log: DamageLog,
        grow: bool = True,
    ) -> None:
        self._n_channels = 1 if channels == "mix" else None
        self._grow = grow
        self._blocks = blocks
        self._mixer = Mixer(clock=lambda: blocks.n_pushed)
        self._max_channels = max_channels
        self.log = log
        self._resampler: Resampler | None = None
        self._lost_early_s = 0.0  # before anything was found
        self.has_begun = False

    @property
    def n_channels(self) -> int:
        """Channels so far."""
        return self._blocks.n_channels

    @property
    def remixes(self) -> tuple[Remix, ...]:
        """Where channels were not simply added to one."""
        return self._mixer.stretches

    @property
    def n_samples(self) -> int:
        """Samples so far."""
        return self._blocks.n_pushed

    def take(self, found: Iterable[Any | Gap]) -> Iterator[Pcm]:
        """Take frames and gaps in order; yield the blocks that are full. Raises `UnsupportedFormat`, `TooLong`.

        What is lost before anything was found counts once something is.
        """
        for item in found:
            if not isinstance(item, Gap):
                resampler = self._resampler
                if resampler is None or not resampler.accepts(item):
                    resampler = yield from self._change_to(item)
                if arrays := resampler.feed(item):
                    yield from self._blocks.push(arrays)
            elif self.has_begun or not item.lost:
                yield from self._begin()
                yield from self._gap(item)
            else:
                self._lost_early_s += item.length_s

    def end(self, declared_s: float | None, *, lost: bool) -> Iterator[Pcm]:
        """Account for what a header declares beyond the end: told as ``lost``, else a pause, which is kept."""
        yield from self._drained()
        self.log.declared_s = declared_s
        missing_s = (declared_s or 0.0) - self.n_samples / SAMPLE_RATE
        if missing_s <= TAIL_TOLERANCE_S or not self.has_begun or not self._blocks.has_room(missing_s):
            return
        if lost:
            self.lose(missing_s)
        elif missing_s <= MAX_BLIND_GAP_S:
            yield from self._gap(Gap(length_s=missing_s, lost=False))

    def lose(self, seconds: float) -> None:
        """Tell that so much more was in the file, behind what came out, as far as the limit goes."""
        if self.has_begun and self._blocks.has_room(seconds):
            self.log.add(self.n_samples, self.n_samples + round(seconds * SAMPLE_RATE))

    def finish(self) -> Iterator[Pcm]:
        """Yield what is left."""
        yield from self._drained()
        yield from self._blocks.finish()

    def _change_to(self, frame: Any) -> Generator[Pcm, None, Resampler]:
        """Resample frames of the kind of this one from now on."""
        yield from self._drained()
        n_channels = frame.layout.nb_channels
        if n_channels > self._max_channels:
            raise UnsupportedFormat(f"the recording has {n_channels} channels, the limit is {self._max_channels}")
        resampler = Resampler(frame, self._n_channels or n_channels, self._mixer)
        if not self._grow:
            self._n_channels = self._n_channels or n_channels
        yield from self._begin()
        self._resampler = resampler
        return resampler

    def _begin(self) -> Iterator[Pcm]:
        if not self.has_begun:
            self.has_begun = True
            yield from self._gap(Gap(length_s=self._lost_early_s, lost=True))

    def _gap(self, gap: Gap) -> Iterator[Pcm]:
        yield from self._drained()
        start = self._blocks.n_pushed
        yield from self._blocks.push_silence(round(gap.length_s * SAMPLE_RATE))
        if gap.lost:
            self.log.add(start, self._blocks.n_pushed)

    def _drained(self) -> Iterator[Pcm]:
        resampler, self._resampler = self._resampler, None
        if resampler is not None:
            yield from self._blocks.push(resampler.drain())
