"""Tell the voices of a recording apart: who spoke when, and who said which word.

The life of a recording, each step a pure function:

1. `analysis.analyse` hears one span (or a whole file): windows of 10 s go through the segmentation network, the voices
   of overlapping windows are joined to local tracks, and every stretch in which one voice is alone gives embeddings of
   2 s. Its result, `SpanVoices`, holds no sound, is serialised by `pipelines.codec`, and depends on its span alone:
   spans may be heard by different workers, in any order, and again.
2. `diarization.cluster` takes the `SpanVoices` of all spans of a channel, clusters their embeddings over the whole
   recording, finds the number of speakers or keeps within bounds, and returns `SpeakerTurn`s.
3. `attribution.assign_words` gives each word a speaker by time; `attribution.split_segments` parts segments where the
   voice changes.

`stream.SpeakerStream` does 1 and 2 for a recording that arrives in blocks. docs/speakers.md has figures and limits.
"""
