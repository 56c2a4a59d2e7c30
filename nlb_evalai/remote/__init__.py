"""A worker scores EvalAI's submissions on the host's own machines."""
