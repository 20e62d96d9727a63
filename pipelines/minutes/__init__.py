"""Minutes of meetings: who writes them (`protocol`, `extractive`), and how each is checked (`verification`)."""
