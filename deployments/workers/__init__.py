"""The worker actors: Segmenter, Transcriber, MinutesWriter, with their slots, scratch folders and stopwatches."""
