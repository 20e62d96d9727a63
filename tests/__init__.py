"""Tests of MeetMemo; a package so that `tests.support.recordings` has one name everywhere."""
