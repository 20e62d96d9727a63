"""Claim jobs as the single leader, run them, dispatch their chunks, commit to the ledger."""
