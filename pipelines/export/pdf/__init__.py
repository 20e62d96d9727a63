"""Documents as PDF: pages, text blocks, shaping, embedded fonts."""
