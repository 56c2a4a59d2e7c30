"""Many submissions: found, fetched, and scored into the store by processes that may die."""
