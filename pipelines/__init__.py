"""The domain of MeetMemo: audio, speech recognition, transcripts, minutes, jobs.

Knows neither Ray nor a web server, and is told every setting. Of the environment boto3 reads credentials, and child
processes inherit the search path and the locale.
"""
