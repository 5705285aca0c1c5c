"""A question and its answer: protocols carried out, Results, predictions."""
