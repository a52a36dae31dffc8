"""Pure decisions: how many to fetch, how to pack, when to retry, what to sweep."""
