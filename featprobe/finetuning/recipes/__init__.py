"""Recipes: which parameters of a backbone train, one module each."""
