"""Metrics of scored samples under many weightings at once."""
