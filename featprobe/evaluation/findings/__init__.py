"""What a reader has to know of degenerate data and scores, said in sentences."""
