"""Evaluation on the host's own machines: EvalAI's API client and the remote worker."""
