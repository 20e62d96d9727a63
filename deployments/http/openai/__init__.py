"""The OpenAI-compatible interface: forms, responses, streaming."""
