"""Mutated submissions: no death, no late answer, and no score that the reference would not give.

``python -m tests.fuzz --count 2000`` (``make fuzz``) runs many and prints a summary.
"""
