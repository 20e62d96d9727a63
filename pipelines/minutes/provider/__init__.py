"""Calls to the model provider: HTTP, SSE, pricing, budget, adaptive limit, circuit breaker, fault classes."""
