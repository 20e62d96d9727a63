"""Minutes by a language model: prompts, packing, drafting, repair, merging, cache, injection guard."""
