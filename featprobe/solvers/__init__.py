"""Optimisation problems behind the probes, solved for many settings at once."""
