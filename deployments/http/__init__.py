"""What all HTTP routes share: who may ask under which name, and how bodies are read."""
