"""MeetMemo against faster-whisper and bare CTranslate2: see `scripts/bench --help` and docs/benchmarks.md."""
