"""What Whisper's decoder is primed with: text it takes for what was said before, whose names and spelling it keeps."""

from collections.abc import Sequence


def priming_text(prompt: str, vocabulary: Sequence[str]) -> str:
    """Join words to know and a prompt; the prompt stands last, since the decoder keeps the end of what is too long."""
    glossary = f"{', '.join(vocabulary)}." if vocabulary else ""
    return " ".join(part for part in (glossary, prompt.strip()) if part)
