"""Hold what tests of several folders share: an API driven by hand, a cluster in one process, recordings, waiting."""
