"""What the processes that call the language model share: the budgets' spending, and the places of the limit."""
