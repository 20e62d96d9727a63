"""The single leader: claims jobs, drives them, dispatches chunks, commits to the ledger."""
