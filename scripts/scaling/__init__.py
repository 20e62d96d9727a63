"""The queue and its Transcribers in simulated time: see `scripts/simulate --help` and docs/scaling.md."""
