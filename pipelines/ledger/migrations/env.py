"""Run the migrations for every Alembic command, on the connection and in the transaction of the caller."""

from alembic import context

from pipelines.ledger.schema import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata, transactional_ddl=True)
context.run_migrations()
