"""Fine-tuning to masks: a decoder of `segmentation` in the place of the head."""
