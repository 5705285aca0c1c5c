"""Intervals, tests and components of variance from the scores of items."""
