"""What MeetMemo's words are worth beside faster-whisper's: see `scripts/measure-accuracy --help`."""
