"""Minutes without a model: actions, decisions, questions, topics, ranking."""
