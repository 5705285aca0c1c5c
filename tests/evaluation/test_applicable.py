"""Whether a saved probe is for these images: other readers, names, features far from training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_digits

import featprobe as fp
from featprobe.evaluation import applicable
from featprobe.evaluation.applicable import far_outside, named_apart, other_readers
from featprobe.evaluation.predict import source_of
from featprobe.evaluation.refitting import fit_chosen
from featprobe.features.bags import one_row_an_item
from featprobe.images.versions import READERS
from featprobe.probes.feature_range import FeatureRange
from featprobe.probes.loading import read_saved
from featprobe.probes.registry import PROBES
from featprobe.probes.saving import FeatureSource, save_probe
from tests.conftest import make_tiny
from tests.finetuning.cases import pictures

KEY = {
    "weights": "w", "config": "c", "preprocess": {}, "recipe": {}, "outputs": {"cls": 1},
    "precision": "float32", "dtype": "float16", "dataset": "d",
}  # fmt: skip


def source(kinds: tuple[str, ...] = (), **versions: int) -> FeatureSource:
    key = {**KEY, "versions": {f"reader {k}": v for k, v in versions.items()}}
    return FeatureSource(
        "films", "net", {}, key, "cls", "mean", "multiclass", ("a", "b"), {}, kinds
    )


class Films(fp.Dataset):
    """A data set that says which readers it has."""

    def kinds(self) -> set[str]:
        return {"dicom", "picture"}


def films(name: str = "films") -> Films:
    made = pictures(4)
    return Films(name, made.ids, made.source)


@pytest.mark.parametrize(
    ("then", "said"),
    [
        (source(("dicom", "picture"), dicom=READERS["dicom"]), None),
        (source(("dicom",), dicom=1), "those of training were by version 1: make the probe anew"),
        (source((), dicom=1), "by version 1, if there were any in training: make"),
        (source(("dicom",), dicom=99), "those of training were by version 99: make"),
        (source(("picture", "nifti")), None),  # training had no dicom
    ],
)
def test_a_reader_that_changed_since_is_said(then: FeatureSource, said: str | None) -> None:
    found = other_readers(then, films())
    assert len(found) == (said is not None)
    if said is not None:
        assert found[0].startswith(f"dicom: pixels are read by version {READERS['dicom']} of the")
        assert said in found[0]


def test_what_follows_the_readers_is_said_of_all_kinds(monkeypatch) -> None:
    monkeypatch.setattr(applicable, "FRAMES", 2)
    (text,) = other_readers(source(("picture",)), films())
    assert text.startswith("frames: pixels are read by version 2 of the reader, those of training")


def test_a_saved_probe_knows_the_readers_of_its_training(class_folders: Path, tmp_path) -> None:
    features = fp.extract(make_tiny(), fp.load_dataset(class_folders), workers=0)
    probe = fp.PrototypeProbe().fit(features.x(), features.y)
    file = save_probe(probe, tmp_path / "p.safetensors", source_of(features))
    saved = read_saved(file).features
    assert saved is not None
    assert saved.kinds == ("picture",)
    assert other_readers(saved, fp.load_dataset(class_folders)) == []


def test_other_images_of_the_same_name_are_named_apart() -> None:
    own, other = films(), films("others")
    was = replace(source(), key={**KEY, "dataset": own.fingerprint})
    assert named_apart(was, own) == (own, [])  # the images of training themselves
    assert named_apart(source(), other) == (other, [])
    apart, said = named_apart(source(), own)
    assert (apart.name, own.name) == ("films-new", "films")
    assert apart.fingerprint == own.fingerprint
    assert said == ["other images than those of films: cached as films-new"]


# --- features that lie far away ------------------------------------------------------------------


def digits() -> np.ndarray:
    return load_digits().images.astype(np.float64).reshape(-1, 64)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("training", [60, 400])
def test_items_of_the_same_kind_are_not_far(training: int, seed: int) -> None:
    x = digits()[np.random.default_rng(seed).permutation(1797)]
    probe = fp.PrototypeProbe()
    probe.range_ = FeatureRange.of(x[:training])
    assert far_outside(probe, x[training:]) == []
    assert far_outside(probe, x[:training]) == []


def test_items_of_another_kind_are_far() -> None:
    x, rng = digits(), np.random.default_rng(0)
    x = x[rng.permutation(len(x))]
    probe = fp.PrototypeProbe()
    probe.range_ = FeatureRange.of(x)
    noise = rng.uniform(0, 16, (50, 64))
    (text,) = far_outside(probe, noise)
    assert text.startswith("the features of 50 of 50 items lie far outside those of training")
    (text,) = far_outside(probe, np.r_[x[:100], noise[:9]])
    assert text.startswith("the features of 9 of 109 items")
    (text,) = far_outside(probe, noise[:1])  # one image alone
    assert text.startswith("the features of 1 of 1 items")


def test_a_probe_without_its_reach_is_judged_by_its_scaling() -> None:
    x = np.random.default_rng(0).normal(size=(50, 4))
    y = (x[:, 0] > 0).astype(int)
    probe = fp.LogisticProbe(0.1).fit(x, y)
    assert not far_outside(probe, x)
    assert "2 of 3 items lie far outside" in far_outside(probe, x[:3] + [[0], [9], [90]])[0]
    assert not far_outside(fp.PrototypeProbe().fit(x, y), x + 100)  # it has none
    assert not far_outside(fp.LogisticProbe(0.1, standardize=False).fit(100 * x, y), 100 * x)


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 2**32 - 1), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3))
def test_the_distance_is_mahalanobis_whatever_the_unit(seed, shift, scale) -> None:
    rng = np.random.default_rng(seed)
    x, new = rng.normal(size=(40, 3)) @ rng.normal(size=(3, 3)), rng.normal(size=(7, 3))
    one, other = FeatureRange.of(x), FeatureRange.of(shift + scale * x)
    z, far = ((v - x.mean(0)) / x.std(0) for v in (x, new))
    theirs = LedoitWolf(assume_centered=True).fit(z)
    np.testing.assert_allclose(one.away(x) ** 2 * 3, theirs.mahalanobis(z), rtol=1e-4)
    expected = theirs.mahalanobis(far.clip(-6, 6))
    np.testing.assert_allclose(one.away(new) ** 2 * 3, expected, rtol=1e-4)
    np.testing.assert_allclose(other.away(shift + scale * new), one.away(new), rtol=1e-3)
    assert other.reach == pytest.approx(one.reach, rel=1e-3)
    assert (one.away(x) <= one.reach).mean() > 0.95


def test_directions_beyond_the_first_have_one_variance() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(500, 100)) @ np.diag(np.linspace(3, 1, 100)) @ rng.normal(size=(100, 100))
    z = (x - x.mean(0)) / x.std(0)
    found = FeatureRange.of(x)
    assert found.axes.shape == (64, 100)
    whole = np.concatenate([found.variances, np.full(36, found.rest)]).sum()
    assert whole == pytest.approx((z**2).sum() / 500, rel=1e-6)  # all variance is accounted for
    assert np.corrcoef(found.away(x), LedoitWolf().fit(z).mahalanobis(z) ** 0.5)[0, 1] > 0.5


@pytest.mark.parametrize("n", [1, 2, 3])
def test_of_few_or_equal_items_there_is_a_distance_too(n: int) -> None:
    rng = np.random.default_rng(0)
    for x in (rng.normal(size=(n, 5)), np.ones((n, 5)), np.zeros((n, 5))):
        found = FeatureRange.of(x)
        assert np.isfinite(found.away(x)).all()
        assert np.isfinite(found.reach)
        assert FeatureRange.of(x, np.zeros(n)).reach >= 0  # one patient


@pytest.mark.parametrize("name", PROBES.names())
def test_every_probe_that_is_saved_knows_its_reach(name: str, class_folders, tmp_path) -> None:
    kind = PROBES.get(name)
    if "multiclass" not in kind().tasks:
        pytest.skip("not for classes")
    features = fp.extract(make_tiny(), fp.load_dataset(class_folders), workers=0)
    params = {"k": 3} if name == "smoothed" else {"epochs": 1} if kind().bags else {}
    probe, protocol = kind(**params), fp.Full()
    result = next(r for r in fp.evaluate(features, probe, protocol, resamples=20) if r.selected)
    fitted = fit_chosen(features, kind(**params), protocol, result)
    file = save_probe(fitted, tmp_path / "p.safetensors", source_of(features))
    again = read_saved(file).probe
    x = one_row_an_item(features.bags() if probe.bags else features.x())
    np.testing.assert_array_equal(again.range_.mean, fitted.range_.mean)
    assert far_outside(again, x) == []
    assert far_outside(again, x + 10 * x.std(0)) != []
