"""One module per resource, named by the noun of its URL."""
