"""Read what containers say beside their frames: lengths, links, pauses, tags."""
