"""The routes of keeping and deleting: audit log, legal holds, receipts."""
