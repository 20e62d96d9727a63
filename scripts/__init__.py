"""Developer tools; the extensionless files beside this one are their commands."""
