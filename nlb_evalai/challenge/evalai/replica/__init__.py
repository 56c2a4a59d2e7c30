"""The replica does with a bundle and a submission what EvalAI does with them."""
