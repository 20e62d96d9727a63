"""The application services that one tenant may use; tenants are isolated by construction."""
