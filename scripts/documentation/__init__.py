"""Keep the documentation true: reference pages and diagrams made from the code, and a check of every reference.

`scripts/make-reference` and `scripts/draw-rooms` write, `scripts/check-docs` compares and looks up.
"""
