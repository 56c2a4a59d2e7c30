"""Prizes by rules that are data: EvalAI's export, the store, and people's decisions together."""
