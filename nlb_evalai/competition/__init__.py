"""A competition scores all submissions on hidden truth, ranks, awards prizes and publishes."""
