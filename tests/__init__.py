"""Tests of MeetMemo; a package so that `tests.recordings` has one name everywhere."""
