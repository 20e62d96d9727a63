"""Deepgram's dialect for recordings: query, answers, callbacks."""
