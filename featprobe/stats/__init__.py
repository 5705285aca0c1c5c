"""Intervals, tests and components of variance from per-sample scores."""
