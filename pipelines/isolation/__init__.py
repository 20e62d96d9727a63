"""Processes that hostile data may wreck: a host that forks one for each piece of work, and what they may do."""
