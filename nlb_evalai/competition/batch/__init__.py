"""Many submissions are found, fetched and scored into the store, by processes that may die."""
