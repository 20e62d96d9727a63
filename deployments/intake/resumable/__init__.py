"""Uploads that can be resumed (tus): its protocol, records, pieces in the blob store."""
