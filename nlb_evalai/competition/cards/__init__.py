"""Entries are files in a repository here: a card with its receipt, or from a board of EvalAI."""
