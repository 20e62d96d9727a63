"""The linguistic ground of minutes, by language: sentences, numbers, dates, cues, names, stop words."""
