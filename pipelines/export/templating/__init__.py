"""Tenants' templates of minutes: a bounded language, run in confined processes."""
