"""The unfrozen road: a backbone trained on the same splits that frozen features are probed on."""
