"""Authenticate requests: API keys, JSON Web Tokens, rate limits. No HTTP response is built here."""
