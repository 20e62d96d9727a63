"""Blobs of a job between processes: job data, quarantine, documents, deferred minutes, clips."""
