"""Maps of a feature set: every item as a point in the plane."""
