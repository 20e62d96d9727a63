"""The Whisper engine: window decoding, fallback, tokenizer, features, encoders, timestamps."""
