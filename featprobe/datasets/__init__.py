"""Data sets from folders, tables, arrays and the catalog."""
