"""Image and text in one space: zero-shot classification and retrieval."""
