"""Fakes that ship with MeetMemo and pass the same contract tests as the parts they stand for."""
