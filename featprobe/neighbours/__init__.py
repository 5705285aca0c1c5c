"""Nearest neighbours: the search, the votes, and what the probes built on them share."""
