"""The embedded sample simulates a benchmark with all datasets, and models of known quality."""
