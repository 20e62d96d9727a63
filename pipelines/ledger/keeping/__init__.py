"""The audit log, legal holds and receipts in the ledger's database."""
