"""Pydantic models of the API's requests and responses, shared by routes, batches and webhooks."""
