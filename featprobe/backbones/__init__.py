"""Networks that turn frames into feature vectors, with the preprocessing of their checkpoint."""
