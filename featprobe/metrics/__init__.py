"""Metrics of scored items under many weightings at once."""
