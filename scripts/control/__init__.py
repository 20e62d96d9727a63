"""Measure what the cluster does for a job beside transcribing it, with an engine that answers at once."""
