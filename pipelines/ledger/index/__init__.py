"""What the ledger tells of transcripts and minutes: passages to search, items to review; made anew from the store."""
