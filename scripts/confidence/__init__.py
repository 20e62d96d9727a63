"""Whether words are as often right as their confidence says: see `scripts/calibrate-confidence --help`."""
