"""Key layouts of checkpoints as their authors saved them."""
