"""Names of voices by what is said: "this is Karen", "thanks, Karen" after her turn, "Karen, what do you think?".

1. `phrases` has the phrases of each language that tie a name to a voice, `reading` finds the name in one.
2. `evidence` yields every sentence that says whose voice is whose, or whose it is not.
3. `voting` weighs them: a voice keeps its number where they contradict each other.
4. `naming` gives the names to the segments, and tells how each is known.
"""
