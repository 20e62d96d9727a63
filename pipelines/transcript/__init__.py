"""Turn chunk results into one transcript: stitching, coverage, language, talk time, corrections."""
