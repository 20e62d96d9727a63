"""The command ``meetmemo``: one module per group of sub-commands."""
