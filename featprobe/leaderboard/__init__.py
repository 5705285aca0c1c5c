"""Results to ranked tables."""
