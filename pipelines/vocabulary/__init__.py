"""A job's terms, matched by sound against doubtful words after decoding: sounds, distance, replacement. Pure."""
