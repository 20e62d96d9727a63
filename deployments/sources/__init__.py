"""Get recordings from elsewhere safely: URLs, pinned HTTP, S3, credentials of places, headers."""
