"""Stand-ins for stores, ledgers, engines and the language model, held to the contract tests."""
