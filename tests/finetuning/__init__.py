"""Tests of the unfrozen road."""
