"""Written language, independent of speech: language names, typography, Chinese script, redaction, word error rate."""
