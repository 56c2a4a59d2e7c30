"""Hostile and broken submissions. Every file is made here, by the test that needs it."""
