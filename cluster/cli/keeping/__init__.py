"""The commands of keeping and deleting: audit log, legal holds, receipts, retention, export."""
