"""`PartialTranscript`: what of a running job's transcript is final already."""

from deployments.artifacts.job_data import read_results
from pipelines.codec import decode
from pipelines.core import SAMPLE_RATE, ChunkResult, Segment, SoundTrack, SourceSummary, Span
from pipelines.errors import BlobMissing
from pipelines.jobs.job import Job
from pipelines.storage.layout import JobKeys, outcome_of
from pipelines.storage.protocol import BlobStore
from pipelines.text.redaction import Scope, mask_segment
from pipelines.transcript.channel_names import channel_names
from pipelines.transcript.stitching import segments_of


class PartialTranscript:
    """Reads a job's stored spans and chunk results while they come; each is read once.

    Segments come out in the order of the whole transcript: one is final when every channel is decoded up to its start.
    Where a job hides more than profanity none come out: what is said later may tell that something is a name.
    """

    def __init__(self, store: BlobStore, job: Job) -> None:
        self._store = store
        self._job = job
        self._keys = JobKeys(tenant=job.tenant, job_id=job.id)
        self._spans: dict[str, Span] = {}
        self._results: dict[int, ChunkResult] = {}
        self._stitched: set[int] = set()
        self._reached: dict[int, int] = {}  # samples, by channel
        self._waiting: list[Segment] = []
        self._tracks: tuple[SoundTrack, ...] = ()
        self._n_channels = 1 if job.options.channels == "mix" and job.options.track != "all" else 0

    def read(self) -> list[Segment]:
        """Return segments that became final since the last call, without numbers. Blocks. Raises `StoreUnavailable`."""
        if set(self._job.options.mask) - {"profanity"}:
            return []
        try:
            self._look()
        except BlobMissing:  # the job has ended, and its working data is being deleted: the transcript has it all
            return []
        if not self._n_channels:
            return []
        self._stitch()
        reached = min(self._reached.get(channel, 0) for channel in range(self._n_channels)) / SAMPLE_RATE
        self._waiting.sort(key=lambda segment: (segment.start_s, segment.channel))
        final = [segment for segment in self._waiting if segment.start_s < reached]
        self._waiting = self._waiting[len(final) :]
        return final

    def _masked(self, segment: Segment) -> Segment:
        options = self._job.options
        if not options.mask:
            return segment
        return mask_segment(segment, options.mask, Scope(language=segment.language, regions=options.mask_regions))

    def _look(self) -> None:
        """Take in what was stored since the last look."""
        if not self._n_channels and self._store.exists(self._keys.summary):
            summary = decode(SourceSummary, self._store.get(self._keys.summary))
            self._n_channels, self._tracks = summary.n_channels, summary.tracks
        for key in self._store.list(self._keys.spans):
            if key not in self._spans:
                self._spans[key] = decode(Span, self._store.get(key))
        outcomes = [*self._store.list(self._keys.chunks), *self._store.list(self._keys.failures)]
        new = [key for key in outcomes if outcome_of(key)[0] not in self._results]
        self._results |= {result.index: result for result in read_results(self._store, new)}

    def _stitch(self) -> None:
        """Turn spans whose chunks all have an outcome into segments, each channel's in order."""
        for span in sorted(self._spans.values(), key=lambda span: (span.channel, span.start)):
            if span.index in self._stitched or self._reached.get(span.channel, 0) != span.start:
                continue
            if any(chunk.index not in self._results for chunk in span.chunks):
                continue
            self._waiting += map(
                self._masked,
                segments_of(
                    [span],
                    self._results,
                    duration_s=span.end / SAMPLE_RATE,
                    n_channels=self._n_channels,
                    speakers=channel_names(self._job.options.speakers, self._tracks),
                    with_words=self._job.options.word_timestamps,
                ),
            )
            self._stitched.add(span.index)
            self._reached[span.channel] = span.end
