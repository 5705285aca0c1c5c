"""The entries of the model catalog, a module for each group; each holds ``ENTRIES``."""
