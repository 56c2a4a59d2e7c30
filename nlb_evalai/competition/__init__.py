"""A competition: score every submission on hidden truth, rank, award prizes, and publish."""
