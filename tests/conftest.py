"""Fixtures for all tests: a store over HTTP that can go wrong (see store.py)."""

pytest_plugins = ["tests.store"]
