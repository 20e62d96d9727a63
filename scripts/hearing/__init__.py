"""How well MeetMemo and its peers hear recordings whose words are known: see `scripts/hear --help`."""
