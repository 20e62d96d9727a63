"""Search over transcripts and minutes: tokens, queries, passages, ranking, the protocol of the index; no database."""
