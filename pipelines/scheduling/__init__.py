"""Pure decisions about work: whose chunk is next, how large a batch, how many replicas, time left. No I/O."""
