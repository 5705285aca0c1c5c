"""Who is in train, val and test, and who is drawn."""
