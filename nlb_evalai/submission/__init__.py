"""Participants check a submission here before they upload it, and make a baseline."""
