"""Erasure and expiry: what goes when a job is purged, when its time is over, or when its process died."""
