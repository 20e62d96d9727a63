"""The durable record: protocol, rules, SQLAlchemy implementation, outbox, API keys, request locks."""
