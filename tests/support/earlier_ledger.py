"""How the ledger's tables were before a revision, to see what its migration makes of them."""

UNDO_0019 = (
    "DROP INDEX ix_jobs_lost_chunks",
    "DROP INDEX ix_batches_updated",
    "DROP INDEX ix_batches_probing",
    "DROP INDEX ix_deliveries_undelivered",
    "DROP INDEX ix_legal_holds_active",
    "DROP INDEX ix_receipts_finished",
    "ALTER TABLE jobs DROP COLUMN n_failed_chunks",
    "UPDATE alembic_version SET version_num = '0018'",
)
