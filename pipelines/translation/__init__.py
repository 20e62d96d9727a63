"""Transcripts in other languages by a language model: packing, prompts, reading, verification, repair."""
