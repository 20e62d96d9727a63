"""What a job keeps in the blob store between processes: job data, quarantine, documents, parked minutes, clips."""
