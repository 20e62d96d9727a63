"""Sessions of people who signed in, as HTTP carries them: cookies, the page that may use them, who is signed in."""
