"""Saved probes: what was learnt comes back bit for bit, and damage is told in one line."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors import safe_open
from safetensors.numpy import save_file

import featprobe as fp
from featprobe.core.errors import InputError, MissingPath, StoreError
from featprobe.probes.base import Probe
from featprobe.probes.loading import _Reader, read_saved
from featprobe.probes.registry import PROBES
from featprobe.probes.saving import HEADER, FeatureSource, _Writer, save_probe
from tests.probes.every import quick

SOURCE = FeatureSource(
    dataset="films", backbone="tiny", origin={"name": "tiny_vit14"}, key={"weights": "abc"},
    view="cls:2", pool="mean", task="multiclass", classes=("normal", "sick"),
)  # fmt: skip


def data(d: int = 6):
    rng = np.random.default_rng(0)
    y = np.arange(120) % 3
    return rng.normal(size=(120, d)) + 2 * np.eye(d)[y], y, rng.normal(size=(30, d))


def targets(task: str, y: np.ndarray) -> np.ndarray:
    if task == "multilabel":
        labels = np.stack([y == 0, y > 0], axis=1).astype(float)
        labels[::7, 1] = np.nan
        return labels
    if task == "regression":
        return y + 0.25
    return y if task == "ordinal" else np.array(["b", "a", "ü"])[y]


def every() -> list:
    """Every probe with each of its tasks."""
    return [(name, task) for name in PROBES.names() for task in quick(name).tasks]


@pytest.mark.parametrize(("name", "task"), every())
def test_every_probe_predicts_bit_for_bit_as_it_did(name: str, task: str, tmp_path) -> None:
    x, y, q = data()
    probe = quick(name).fit(x, targets(task, y))
    before = probe.predict(q) if task == "regression" else probe.predict_proba(q)
    found = fp.load_probe(probe.save(tmp_path / "probe.safetensors"))
    assert type(found) is type(probe)
    assert repr(found) == repr(probe)
    after = found.predict(q) if task == "regression" else found.predict_proba(q)
    assert np.array_equal(before, after)
    assert (found.predict(q) == probe.predict(q)).all()
    assert found.best_ == probe.best_
    if task != "regression":
        assert found.classes_.tolist() == probe.classes_.tolist()


@pytest.mark.parametrize("inner", ["prototype", fp.RidgeProbe((0.1, 10.0)), "labelprop"])
def test_a_probe_inside_a_probe_is_saved_with_it(inner, tmp_path) -> None:
    x, y, q = data(40)
    probe = fp.CalibratedProbe(fp.CalibratedProbe(inner)).fit(x, y)
    found = fp.load_probe(probe.save(tmp_path / "probe.safetensors"))
    assert np.array_equal(probe.predict_proba(q), found.predict_proba(q))
    assert repr(found.probe) == repr(probe.probe)


class Holder(Probe):
    name = "holder"


scalars = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text()
arrays = hnp.arrays(
    st.sampled_from([np.float64, np.float32, np.float16, np.int64, np.uint8, np.bool_, "<U4"]),
    hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4),
)
values = st.recursive(
    scalars | arrays,
    lambda inner: st.lists(inner, max_size=3) | st.lists(inner, max_size=3).map(tuple)
    | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)  # fmt: skip


def same(a, b) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[k], b[k]) for k in a)
    return a == b


@settings(deadline=None, max_examples=150)
@given(values)
def test_values_come_back_of_the_same_type(value) -> None:
    writer = _Writer()
    written = json.loads(json.dumps(writer.value(value, "it")))
    assert same(_Reader(writer.tensors).value(written), value)


def test_numbers_of_numpy_and_arrays_in_fortran_order_stay_so() -> None:
    writer = _Writer()
    held = (np.float64(0.1), np.int64(3), np.bool_(True), np.arange(6.0).reshape(2, 3).T)
    names = np.array(["a", ("b", 1), None], dtype=object)
    assert (_Reader({}).value(_Writer().value(names, "it")) == names).all()
    found = _Reader(writer.tensors).value(writer.value(held, "it"))
    assert [type(v) for v in found[:3]] == [np.float64, np.int64, np.bool_]
    assert found[:3] == held[:3]
    assert found[3].flags.f_contiguous
    assert (found[3] == held[3]).all()


def test_what_is_known_of_the_features_travels_along(tmp_path) -> None:
    x, y, _ = data()
    probe = fp.PrototypeProbe().fit(x, y % 2)
    file = save_probe(probe, tmp_path / "p.safetensors", SOURCE)
    assert read_saved(file).features == SOURCE
    assert read_saved(probe.save(tmp_path / "q.safetensors")).features is None


def test_a_probe_fitted_to_unknown_classes_is_not_saved_as_one_of_the_features(tmp_path) -> None:
    x, y, _ = data()
    probe = fp.PrototypeProbe().fit(x, y - 1)
    with pytest.raises(InputError, match="fitted to classes -1 to 1, but films has 2, from 0"):
        save_probe(probe, tmp_path / "p.safetensors", SOURCE)


@pytest.fixture
def saved(tmp_path):
    x, y, _ = data()
    return fp.RidgeProbe(1.0).fit(x, y).save(tmp_path / "p.safetensors")


def rewritten(file, change):
    """The file with its header changed, by other means than featprobe's."""
    with safe_open(file, framework="np") as f:
        tensors, meta = {n: f.get_tensor(n) for n in f.keys()}, f.metadata()  # noqa: SIM118
    header = json.loads(meta[HEADER])
    change(header)
    save_file(tensors, file, metadata={**meta, HEADER: json.dumps(header)})
    return file


def test_any_flipped_byte_and_any_cut_is_told_in_one_line(saved) -> None:
    whole = saved.read_bytes()
    for at in np.random.default_rng(0).integers(8, len(whole), 60):
        flipped = bytearray(whole)
        flipped[at] ^= 4
        saved.write_bytes(flipped)
        with pytest.raises(StoreError, match=r"p\.safetensors: ") as error:
            fp.load_probe(saved)
        assert "\n" not in str(error.value)
    for length in (0, 4, 100, len(whole) // 2, len(whole) - 1):
        saved.write_bytes(whole[:length])
        with pytest.raises(StoreError, match="not a readable saved probe"):
            fp.load_probe(saved)


def test_files_of_others_and_of_newer_versions_are_told(saved, tmp_path) -> None:
    other = tmp_path / "weights.safetensors"
    save_file({"w": np.eye(2)}, other)
    with pytest.raises(StoreError, match="not a probe saved by featprobe"):
        fp.load_probe(other)
    (tmp_path / "x.safetensors").write_text("hello")
    with pytest.raises(StoreError, match="not a readable saved probe"):
        fp.load_probe(tmp_path / "x.safetensors")
    with pytest.raises(MissingPath, match="no such saved probe"):
        fp.load_probe(tmp_path / "none.safetensors")
    with pytest.raises(StoreError, match="in format 2; this one reads up to 1: upgrade"):
        fp.load_probe(rewritten(saved, lambda h: h.update(format=2)))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"$dataclass": ["subprocess", "Popen", {"args": "true"}]}, "no dataclass of a probe"),
        ({"$dataclass": ["featprobe.probes.saving", "save_probe", {}]}, "no dataclass of a probe"),
        ({"$call": ["os.system", "true"]}, r"a kind '\$call' that is not known"),
    ],
)
def test_nothing_but_probes_and_their_dataclasses_is_made(value, message) -> None:
    with pytest.raises(InputError, match=message):
        _Reader({}).value(value)


def test_what_cannot_be_saved_is_told(tmp_path) -> None:
    x, y, _ = data()
    file = tmp_path / "p.safetensors"
    with pytest.raises(InputError, match="not fitted yet: call fit before saving"):
        fp.RidgeProbe().save(file)
    probe = fp.PrototypeProbe().fit(x, y)
    with pytest.raises(InputError, match=r"named \*\.safetensors"):
        probe.save(tmp_path / "p.pkl")
    with pytest.raises(InputError, match="cannot be written"):
        probe.save(tmp_path / "no" / "p.safetensors")
    probe.index = object()
    with pytest.raises(InputError, match=r"PrototypeProbe\.index is a object"):
        probe.save(file)
    stranger = Holder()
    stranger.n_features_in_ = 2
    with pytest.raises(InputError, match="Holder cannot be saved: it has no name"):
        stranger.save(file)
    assert not file.exists()
