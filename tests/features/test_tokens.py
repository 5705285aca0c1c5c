"""features/tokens.py: tokens beside masks, one item in memory at a time."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featprobe as fp
from featprobe.core.errors import FeatprobeError, InputError
from featprobe.datasets.base import Dataset
from featprobe.features.tokens import TokenSet, open_tokens
from featprobe.images.decoded_image import FrameRecipe


@pytest.fixture
def volumes():
    rng = np.random.default_rng(0)
    images = rng.integers(0, 255, (4, 5, 30, 40)).astype(np.uint8)
    labels = (images > 128).astype(np.uint8)
    return Dataset.from_arrays(images, masks=labels, volumes=True, name="vols")


def extract(backbone, data, cache, **more):
    return fp.extract(
        backbone, data, cache=cache, features=["tokens:2", "cls"], workers=0, progress=False, **more
    )


def test_tokens_are_those_of_the_store_item_by_item(volumes, tiny_backbone, cache):
    features = extract(tiny_backbone, volumes, cache)
    found = open_tokens(volumes, tiny_backbone.name, cache=cache)
    every = features.frames("tokens")
    assert len(found) == 4
    assert (found.blocks, found.grid, found.width, found.size) == (2, (2, 2), 32, (28, 28))
    assert found.nbytes == every.nbytes
    for i, tokens in enumerate(found):
        assert found.frames(i) == 5
        np.testing.assert_array_equal(tokens, every[5 * i : 5 * i + 5])
    np.testing.assert_array_equal(found.tokens(2, blocks=1), every[10:15, 1:])
    np.testing.assert_array_equal(found.tokens(2, frames=slice(1, 3)), every[11:13])
    np.testing.assert_array_equal(found.tokens(3, frames=np.array([0, 4])), every[[15, 19]])
    assert found.rounding() == 0


def test_masks_and_grids_are_of_the_same_rows(tmp_path, tiny_backbone, cache):
    """An item that cannot be read moves all rows behind it."""
    for name in "abc":
        (tmp_path / "d" / "masks").mkdir(parents=True, exist_ok=True)
        (tmp_path / "d" / "images").mkdir(exist_ok=True)
        values = np.full((30, 40), "abc".index(name) + 1, np.uint8)
        Image.fromarray(values).save(tmp_path / "d" / "masks" / f"{name}.png")
        Image.fromarray(np.arange(1200, dtype=np.uint8).reshape(30, 40)).save(
            tmp_path / "d" / "images" / f"{name}.png"
        )
    (tmp_path / "d" / "images" / "b.png").write_bytes(b"no image")
    data = fp.load_dataset(tmp_path / "d")
    found = TokenSet(extract(tiny_backbone, data, cache), data)
    assert found.ids.tolist() == ["images/a.png", "images/c.png"]
    assert found.has_mask(1)
    assert (found.mask(1).values == 3).all()
    grid = found.grid_of(1)
    assert grid.to_frames(found.mask(1).values, found.grid).shape == (1, 2, 2)
    assert grid.to_voxels(np.ones((1, 2, 2), int)).shape == (1, 30, 40)


def test_foreground_frames_have_their_place(tiny_backbone, cache):
    images = np.zeros((1, 6, 30, 40), np.uint8)
    images[0, 2:4, 5:25, 5:35] = np.arange(30, dtype=np.uint8) + 200
    data = Dataset.from_arrays(images, volumes=True, name="v")
    data.recipe = FrameRecipe(frames="foreground")
    found = TokenSet(extract(tiny_backbone, data, cache), data)
    assert found.frames(0) == 2
    back = found.grid_of(0).to_voxels(np.ones((2, 2, 2), int))
    assert back.any((1, 2)).tolist() == [False, False, True, True, False, False]


@pytest.mark.parametrize(("dtype", "most"), [("int8", 0.01), ("float8", 0.03)])
def test_a_byte_a_value_is_close(volumes, tiny_backbone, cache, dtype, most):
    plain = extract(tiny_backbone, volumes, cache, dtype="float32").frames("tokens")
    features = extract(tiny_backbone, volumes, cache, dtype=dtype)
    found = TokenSet(features, volumes)
    off = found.tokens(0).astype(float) - plain[:5]
    relative = np.sqrt(np.square(off).mean() / np.square(plain[:5]).mean())
    assert relative == pytest.approx(found.rounding(), rel=0.2)
    assert relative < most
    assert found.nbytes < 0.6 * plain.nbytes / 2


@pytest.mark.parametrize("change", ["ids", "recipe", "none"])
def test_what_does_not_belong_together_is_refused(volumes, tiny_backbone, cache, change):
    if change == "none":
        with pytest.raises(FeatprobeError, match="no features of data set|no tokens"):
            open_tokens(volumes, tiny_backbone.name, cache=cache)
        features = fp.extract(
            tiny_backbone, volumes, cache=cache, features=["cls"], workers=0, progress=False
        )
        with pytest.raises(InputError, match="--features tokens"):
            TokenSet(features, volumes)
        return
    features = extract(tiny_backbone, volumes, cache)
    other = Dataset.from_arrays(np.zeros((4, 5, 30, 40), np.uint8), volumes=True, name="vols")
    if change == "recipe":
        other.recipe = FrameRecipe(frames="n=5")
    else:
        other.ids = np.array(["w", "x", "y", "z"])
    with pytest.raises(InputError, match="another frames" if change == "recipe" else "not those"):
        TokenSet(features, other)


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from featprobe.datasets.base import Dataset
from featprobe.features.feature_set import FeatureSet
from featprobe.features.tokens import TokenSet
from featprobe.store.containers import create_store, open_store
from featprobe.store.cache import store_path
from featprobe.store.format import Layout
from featprobe.testing.cases import make_items, make_key
from featprobe.backbones.spec import Preprocess
from featprobe.images.decoded_image import FrameRecipe

cache, volumes, slices = Path(sys.argv[1]), 500, 100
shape, shard = (1, 8, 8, 32), int(sys.argv[2])
key = make_key(outputs={"tokens": 1}, dtype="float16", recipe=FrameRecipe().to_dict(),
               preprocess=Preprocess(resize=(112, 112), crop=None).to_dict())
frames = volumes * slices
layout = Layout(frames, shard, {"tokens": shape})
items = make_items(volumes)
path = store_path(cache, "d", "n", key.digest, "zarr")
store = create_store("zarr", path, key, layout, np.repeat(np.arange(volumes), slices),
                     np.tile(np.arange(slices), volumes), items,
                     {"dataset": "d", "backbone": "n"}, {})
for s in range(layout.shards):
    a, b = layout.bounds(s)
    part = np.ones((b - a, *shape), np.float16)
    part *= (np.arange(a, b) // slices).reshape(-1, 1, 1, 1, 1)
    store.write_shard(s, {"tokens": part}, np.ones(b - a), [""] * (b - a))
store.finish({})
pixels = np.broadcast_to(np.zeros((1, 1, 1, 1), np.uint8), (volumes, slices, 16, 16))
data = Dataset.from_arrays(pixels, ids=items.ids, volumes=True)
tokens = TokenSet(FeatureSet(open_store(path)), data)
tokens.tokens(0)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
for i in np.random.default_rng(0).permutation(volumes):
    x = tokens.tokens(i)
    assert x.shape == (slices, *shape) and (x == np.float16(i)).all()
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(tokens.nbytes, (after - before) * 1024)
"""


@pytest.mark.slow
@pytest.mark.parametrize("shard", [128, 1024])
def test_500_volumes_are_read_in_the_memory_of_a_few(tmp_path, shard):
    """Peak resident memory, file-backed pages among it, while 205 MB of tokens are read."""
    out = subprocess.run(
        [sys.executable, "-c", MEMORY, str(tmp_path), str(shard)],
        capture_output=True, text=True, check=True, cwd=Path(fp.__file__).parents[1],
    )  # fmt: skip
    total, grown = map(int, out.stdout.split())
    assert total == 500 * 100 * 8 * 8 * 32 * 2
    assert grown < 16 << 20
