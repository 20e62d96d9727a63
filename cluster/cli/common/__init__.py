"""What the commands share: tables, flags of options, whom they speak to."""
