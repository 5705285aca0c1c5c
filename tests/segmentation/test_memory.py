"""What training holds of the tokens, measured in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import featprobe as fp

TRAINS = """
import resource, sys
from pathlib import Path
import numpy as np
from featprobe.backbones.spec import Preprocess
from featprobe.datasets.base import Dataset
from featprobe.datasets.masks import Masks
from featprobe.features.feature_set import FeatureSet
from featprobe.features.tokens import TokenSet
from featprobe.images.decoded_image import FrameRecipe
from featprobe.segmentation.decoders.named import make_decoder
from featprobe.segmentation.items import MaskedItems
from featprobe.segmentation.training import Training, train
from featprobe.store.cache import store_path
from featprobe.store.containers import create_store, open_store
from featprobe.store.format import Layout
from featprobe.testing.cases import make_items, make_key

volumes, slices, shape = 500, 100, (1, 8, 8, 32)
key = make_key(outputs={"tokens": 1}, dtype="float16", recipe=FrameRecipe().to_dict(),
               preprocess=Preprocess(resize=(112, 112), crop=None).to_dict())
layout = Layout(volumes * slices, 1000, {"tokens": shape})
items = make_items(volumes)
path = store_path(Path(sys.argv[1]), "d", "n", key.digest, "zarr")
store = create_store("zarr", path, key, layout, np.repeat(np.arange(volumes), slices),
                     np.tile(np.arange(slices), volumes), items,
                     {"dataset": "d", "backbone": "n"}, {})
part = np.random.default_rng(0).normal(size=(1000, *shape)).astype(np.float16)
for s in range(layout.shards):
    store.write_shard(s, {"tokens": part}, np.ones(1000), [""] * 1000)
store.finish({})
pixels = np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (volumes, slices, 16, 16))
mask = np.zeros((slices, 16, 16), np.uint8)
mask[:, :8] = 1
data = Dataset.from_arrays(pixels, ids=items.ids, volumes=True)
data.masks = Masks.of_arrays([mask] * volumes)
data.masks.header = data.header
tokens = TokenSet(FeatureSet(open_store(path)), data)
masked, t = MaskedItems(tokens, 1), Training(lr=(1e-2,), epochs=1, min_steps=1, batch=256)
train(make_decoder("linear"), masked, np.arange(30), t, device="cpu")
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
train(make_decoder("linear"), masked, np.arange(volumes), t, device="cpu")
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(tokens.nbytes, (after - before) * 1024)
"""


@pytest.mark.slow
def test_500_volumes_of_100_slices_train_in_the_memory_of_a_few(tmp_path: Path) -> None:
    """Thirty volumes fill the pool; what the other 470 add are labels on their grid, 64 bytes a
    frame in a file, and pages of the store that the kernel may take back."""
    out = subprocess.run(
        [sys.executable, "-c", TRAINS, str(tmp_path)],
        capture_output=True, text=True, check=True, cwd=Path(fp.__file__).parents[1],
    )  # fmt: skip
    total, grown = map(int, out.stdout.split())
    assert total == 500 * 100 * 8 * 8 * 32 * 2
    assert grown < 24 << 20
