"""The worker actors: Segmenter, Diarizer, Transcriber, MinutesWriter, with slots, scratch folders and stopwatches."""
