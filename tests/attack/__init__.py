"""Attacks on a running cluster, as a tenant, a web page or a local user would try them; `scripts/attack` runs them."""
