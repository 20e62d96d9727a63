"""Keep and delete: what must stay (legal holds), proof of what is gone (receipts)."""
