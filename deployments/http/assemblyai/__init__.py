"""AssemblyAI's dialect for recordings: requests, transcripts, webhooks."""
