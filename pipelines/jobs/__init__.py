"""Jobs: value types, events, the state machine, usage, costs, batches. No I/O."""
