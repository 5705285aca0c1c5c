"""store/quantised.py: int8 and float8 with a scale a vector, in every container."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.store.cache import store_path
from featprobe.store.containers import create_store, open_store
from featprobe.store.format import Layout
from featprobe.store.quantised import decode, encode, error, stored_shape
from featprobe.testing.cases import make_items, make_key


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-6, 6))
def test_a_value_is_off_by_half_a_step_at_most(seed, decade):
    x = (np.random.default_rng(seed).normal(size=(5, 3, 40)) * 10**decade).astype(np.float32)
    x[0, 0] = 0
    stored = encode(x)
    assert stored.dtype == np.int8
    assert stored.shape == stored_shape(x.shape, "int8")
    step = np.abs(x).max(-1, keepdims=True) / 127
    back = decode(stored)
    assert (np.abs(back.astype(float) - x) <= step * 0.52 + np.abs(x) / 1000).all()
    np.testing.assert_array_equal(encode(back)[..., :-4], stored[..., :-4])  # a copy is the same


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(-6, 6))
def test_float8_is_what_torch_makes_of_the_scaled_values(seed, decade):
    x = (np.random.default_rng(seed).normal(size=(5, 3, 40)) * 10**decade).astype(np.float32)
    x[0, 0] = 0
    stored = encode(x, "float8")
    assert stored.dtype == np.uint8
    assert stored.shape == stored_shape(x.shape, "float8")
    scale = np.abs(x).max(-1, keepdims=True) / np.float32(448)
    scaled = torch.from_numpy(x / np.where(scale > 0, scale, 1)).to(torch.float8_e4m3fn)
    wanted = scaled.float().numpy() * scale
    half = 2.0**-25  # of the smallest step of float16, in which it comes back
    np.testing.assert_allclose(decode(stored), wanted, rtol=1e-3, atol=half)
    if decade > -1:  # below, the smallest codes are beyond what float16 holds
        again = encode(decode(stored), "float8")
        np.testing.assert_array_equal(again[..., :-4], stored[..., :-4])


def test_every_code_of_float8_is_the_value_that_torch_gives_it():
    codes = np.arange(256, dtype=np.uint8)
    wanted = torch.from_numpy(codes).view(torch.float8_e4m3fn).float().numpy()
    scale = np.frombuffer(np.float32(1).tobytes(), np.uint8)
    assert np.array_equal(decode(np.r_[codes, scale]).astype(np.float32), wanted, equal_nan=True)


@pytest.mark.parametrize("dtype", ["int8", "float8"])
def test_the_error_is_known_without_the_values(dtype):
    x = np.random.default_rng(0).normal(size=(200, 64)).astype(np.float32)
    stored = encode(x, dtype)
    back = decode(stored).astype(float)
    measured = np.sqrt(np.square(back - x).mean() / np.square(x).mean())
    # the largest value of a vector is exact, which of float8 is the one with the largest step
    assert error(stored) == pytest.approx(measured, rel=0.05 if dtype == "int8" else 0.1)
    assert error(encode(np.zeros((2, 4)), dtype)) == 0


@pytest.mark.parametrize("dtype", ["int8", "float8"])
@pytest.mark.parametrize("kind", ["zarr", "hdf5"])
def test_stores(tmp_path, kind, dtype):
    rng = np.random.default_rng(0)
    tokens = rng.normal(size=(10, 2, 3, 3, 8)).astype(np.float32)
    cls = rng.normal(size=(10, 1, 8)).astype(np.float32) * 1e5
    key = make_key(outputs={"tokens": 2, "cls": 1}, dtype=dtype)
    layout = Layout(10, 4, {"tokens": (2, 3, 3, 8), "cls": (1, 8)})
    path = store_path(tmp_path, "d", "n", key.digest, kind)
    store = create_store(
        kind, path, key, layout, np.arange(10), np.zeros(10, int), make_items(10),
        {"dataset": "d", "backbone": "n"}, {},
    )  # fmt: skip
    for s in range(layout.shards):
        a, b = layout.bounds(s)
        part = {"tokens": tokens[a:b], "cls": cls[a:b]}
        store.write_shard(s, part, np.ones(b - a), [""] * (b - a))
    store.finish({})
    store = open_store(path)
    assert not store.verify()
    np.testing.assert_array_equal(store.read("tokens"), decode(encode(tokens, dtype)))
    assert store.read("tokens").dtype == np.float16
    assert store.read("cls").dtype == np.float32  # beyond what float16 holds
    at = np.array([0, 3, 4, 9])
    np.testing.assert_array_equal(
        store.read("tokens", 1, at), decode(encode(tokens, dtype))[at, 1:]
    )
    assert 0 < error(store.read("tokens", decoded=False)) < 0.03
