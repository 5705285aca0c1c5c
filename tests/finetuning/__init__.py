"""Fine-tuning, part by part."""
