"""The blob store: protocol, folder and S3 implementations, key layout, key rules."""
