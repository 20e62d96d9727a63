"""Spoiled answers of language models, and what of them gets into minutes: `scripts/eval-minutes --faults`."""
