"""The numbers of figures, which plots and the page draw."""
