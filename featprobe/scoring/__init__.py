"""What metrics are made of: sums over groups of samples, and ROC curves, under many weightings."""
