"""Splits into train, val and test, and few-shot draws."""
