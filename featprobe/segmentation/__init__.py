"""Segmentation from frozen patch tokens: decoders, losses, scores of cases, Results."""
