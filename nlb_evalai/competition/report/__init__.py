"""The public report: what everyone may see of a store and an award."""
