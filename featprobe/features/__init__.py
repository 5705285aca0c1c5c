"""Features as a probe sees them: one row an item."""
