"""All settings, where they come from, how secrets are read, which files are private."""
