"""Which speech models there are, where their files are, which job goes to which."""
