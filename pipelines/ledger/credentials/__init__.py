"""What lets people and programs in: API keys, and sessions of people who signed in."""
