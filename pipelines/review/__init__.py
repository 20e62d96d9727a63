"""The review queue: which minutes of recordings are most worth a person's ear, in which order; no database."""
