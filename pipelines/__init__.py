"""The domain of MeetMemo: audio, speech recognition, transcripts, minutes, jobs.

Nothing here knows Ray, a web server or environment variables.
"""
