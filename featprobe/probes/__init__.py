"""Estimators that read cached features; one module each."""
