"""What a job is and how it may change: nouns, events, the state machine, usage, costs, batches. No I/O."""
