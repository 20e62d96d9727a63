"""Settings, the Serve graph, start and stop, observability and the command line."""
