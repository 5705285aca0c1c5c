"""Protocols, results and predictions of probes."""
