"""Score who spoke when against the truth: scripts/eval-speakers."""
