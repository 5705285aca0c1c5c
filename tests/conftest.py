"""Shared fixtures: a cache of its own for every test, the real images, a tiny backbone."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, settings
from PIL import Image

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # no test waits for a hub
# how long an example takes says how busy the machine is, and nothing of the code
settings.register_profile("untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("untimed")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with most of the slow tests first: several processes then end at about one time."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])  # stable: files, and tests in them, stay whole


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The cache of this test."""
    root = tmp_path / "cache"
    monkeypatch.setenv("FEATPROBE_CACHE", str(root))
    monkeypatch.delenv("FEATPROBE_DATA", raising=False)
    return root


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Real medical images; the test is skipped where there are none."""
    root = os.environ.get("FEATPROBE_TEST_DATA")
    if not root:
        pytest.skip("FEATPROBE_TEST_DATA is not set: real images are not here")
    return Path(root).resolve()


@pytest.fixture(scope="session")
def tiny_backbone():
    """A real DINOv2 of two blocks, width 32, for 28-pixel inputs, with seeded random weights."""
    return make_tiny()


def make_tiny(seed: int = 0, **changes):
    """A tiny DINOv2 backbone built from transformers' own classes."""
    import torch
    from transformers import AutoModel, Dinov2Config

    from featprobe.backbones.base import Backbone
    from featprobe.backbones.families import FAMILIES
    from featprobe.backbones.spec import Preprocess

    config = Dinov2Config(
        hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=28, patch_size=14,
        **changes,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        module = AutoModel.from_config(config)
    return Backbone(
        name=f"tiny-random{seed}", module=module, adapter=FAMILIES["dinov2"].adapter(config, ""),
        preprocess=Preprocess(resize=32, crop=(28, 28)), random=True,
        config=config.to_diff_dict(),
    )  # fmt: skip


@pytest.fixture
def class_folders(tmp_path: Path) -> Path:
    """Two class folders of 20 grey PNGs each, 10 patients a class, brighter against darker."""
    rng = np.random.default_rng(0)
    root = tmp_path / "films"
    for label, level in (("normal", 110), ("sick", 130)):
        (root / label).mkdir(parents=True)
        for i in range(20):
            pixels = np.clip(rng.normal(level + rng.normal(0, 20), 30, (40, 36)), 0, 255).astype(
                np.uint8
            )
            Image.fromarray(pixels).save(root / label / f"{label}{i // 2:02d}_{i % 2}.png")
    return root
