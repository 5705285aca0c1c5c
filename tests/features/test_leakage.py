"""Near-duplicates across splits."""

from __future__ import annotations

import numpy as np
from PIL import Image

import featprobe as fp
from featprobe.features.leakage import near_duplicates


def test_a_slightly_changed_copy_in_another_split_is_found(class_folders, tiny_backbone) -> None:
    source = np.asarray(Image.open(class_folders / "sick" / "sick05_0.png")).astype(int)
    changed = np.clip(source + np.random.default_rng(1).integers(-1, 2, source.shape), 0, 255)
    Image.fromarray(changed.astype(np.uint8)).save(class_folders / "sick" / "twin77_0.png")
    features = fp.extract(tiny_backbone, fp.load_dataset(class_folders))
    split = np.where(features.ids == "sick/twin77_0.png", "test", "train")
    found = near_duplicates(features, split, 0.999)
    assert [p[:2] for p in found] == [("sick/sick05_0.png", "sick/twin77_0.png")]
    assert near_duplicates(features, np.full(len(features), "train")) == []
