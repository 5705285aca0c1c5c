"""Notes on degenerate data and scores of a result."""
