"""What a list of terms finds and what it harms: see `scripts/measure-vocabulary --help`."""
