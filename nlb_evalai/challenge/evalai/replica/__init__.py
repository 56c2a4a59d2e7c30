"""A faithful replica of what EvalAI does with a bundle and a submission."""
