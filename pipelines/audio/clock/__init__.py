"""Put the pieces of a recording on one clock: frames, pauses that were not sent, and what was lost."""
