"""The embedded sample: a simulated benchmark with all datasets, and models of known quality."""
