"""Entries as files that people keep in a repository: a card with its receipt, or of a board."""
