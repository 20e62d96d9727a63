"""The soak: a long plan of work, kills, samples by the minute, and a judgement at the end."""
