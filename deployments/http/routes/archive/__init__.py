"""Routes of what is kept of recordings: search, the review queue, corrections."""
