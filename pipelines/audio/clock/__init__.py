"""Put the pieces of a recording on one clock: tracks, frames, pauses that were not sent, and what was lost."""
