"""The public report shows what everyone may see of a store and an award."""
