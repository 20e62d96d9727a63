"""How the ledger's tables were before a revision, to see what its migration makes of them."""

UNDO_0021 = (
    "DROP INDEX ix_jobs_lost_chunks",
    "DROP INDEX ix_batches_updated",
    "DROP INDEX ix_batches_probing",
    "DROP INDEX ix_deliveries_undelivered",
    "DROP INDEX ix_legal_holds_active",
    "DROP INDEX ix_receipts_finished",
    "ALTER TABLE jobs DROP COLUMN n_failed_chunks",
    "UPDATE alembic_version SET version_num = '0020'",
)
UNDO_0020 = (
    "ALTER TABLE sessions DROP COLUMN checked_at_s",
    "ALTER TABLE sessions DROP COLUMN renewal",
    "ALTER TABLE sessions DROP COLUMN provider_session",
    "UPDATE alembic_version SET version_num = '0019'",
)
UNDO_0019 = (
    "DROP TABLE minutes_places",
    "DROP TABLE minutes_reservations",
    "DROP TABLE minutes_spending",
    "UPDATE alembic_version SET version_num = '0018'",
)
