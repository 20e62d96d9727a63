"""What the API takes and gives (Pydantic), in one place for routes, batches and webhooks."""
