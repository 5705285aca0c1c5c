"""Named data sets: one module each, found by file name."""
