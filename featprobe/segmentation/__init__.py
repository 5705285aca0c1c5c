"""Segmentation from frozen patch tokens: decoders, losses, scores of items, Results."""
