"""Documents as Word (Office Open XML): blocks, styles, languages, directions."""
