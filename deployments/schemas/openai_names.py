"""Names that OpenAI's clients use."""

DEFAULT_MODEL_NAMES = frozenset({"whisper-1"})
"""What clients call the model when they leave the choice to the server; beside the names of configured models."""
