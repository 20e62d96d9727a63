"""Estimate a text's number of tokens on the safe side: the provider's tokenizer is not at hand."""

import re

from pipelines.minutes.language.wording import CJK

# DeepSeek's documentation says 0.3 tokens a letter of English and 0.6 an ideograph; measured text scatters.
TOKENS_PER_CHARACTER = 0.35
TOKENS_PER_IDEOGRAPH = 0.8
# Beyond ASCII, tokenizers fall back to pieces of UTF-8.
TOKENS_PER_OTHER = 1.2
# No tokenizer does with fewer, long words and repeated phrases included.
LEAST_PER_CHARACTER = 0.1
LEAST_PER_IDEOGRAPH = 0.25

_IDEOGRAPH = re.compile(f"[{CJK}]")


def estimate_tokens(text: str) -> int:
    """Estimate the tokens in a text: an upper bound, the same every time."""
    n_ideographs = len(_IDEOGRAPH.findall(text))
    n_ascii = len(text.encode("ascii", "ignore"))
    n_other = len(text) - n_ideographs - n_ascii
    return 1 + int(
        TOKENS_PER_CHARACTER * n_ascii + TOKENS_PER_IDEOGRAPH * n_ideographs + TOKENS_PER_OTHER * max(0, n_other)
    )


def least_tokens(text: str) -> int:
    """Return fewer tokens than a text can have: a prompt that took fewer was cut."""
    n_ideographs = len(_IDEOGRAPH.findall(text))
    return int(LEAST_PER_CHARACTER * (len(text) - n_ideographs) + LEAST_PER_IDEOGRAPH * n_ideographs)
