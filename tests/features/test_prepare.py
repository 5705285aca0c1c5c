"""Unit length and principal components, against scikit-learn's, of the fitted rows alone."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.preprocessing import Normalizer

from featprobe.core.errors import InputError
from featprobe.features.bags import Bags
from featprobe.features.prepare import Prepare


@settings(deadline=None, max_examples=30)
@given(st.integers(0, 10_000), st.sampled_from([(40, 12), (9, 30)]), st.booleans())
def test_components_are_sklearns_up_to_their_sign(seed: int, shape, normalize: bool) -> None:
    rng = np.random.default_rng(seed)
    x = (rng.normal(size=shape) * rng.uniform(0.5, 3, shape[1]) + 2).astype(np.float32)
    rows = (rng.normal(size=(20, shape[1])) + 2).astype(np.float32)
    found = Prepare(normalize, pca=3).fitted(x)(rows)
    unit = Normalizer().transform if normalize else np.asarray
    theirs = PCA(3, svd_solver="full").fit(unit(x.astype(np.float64)))
    expected = theirs.transform(unit(rows.astype(np.float64)))
    sign = np.sign((found * expected).sum(0))
    np.testing.assert_allclose(found * sign, expected, atol=1e-3 * np.abs(expected).max())


def test_unit_length_is_sklearns_and_a_row_of_zeros_stays() -> None:
    rows = np.random.default_rng(0).normal(size=(10, 5))
    rows[3] = 0
    found = Prepare(normalize=True).fitted(rows[:2])(rows)
    np.testing.assert_allclose(found, Normalizer().fit_transform(rows))


def test_by_default_rows_and_bags_are_as_they_were() -> None:
    rows = np.eye(4)
    bags = Bags(rows, np.array([0, 3, 4]))
    for given_ in (rows, bags):
        assert Prepare().fitted(given_)(given_) is given_
    assert Prepare().to_dict() == {}
    assert Prepare(True, 3).to_dict() == {"normalize": True, "pca": 3}


@pytest.mark.parametrize(
    ("prepare", "x", "message"),
    [
        ((False, 6), np.eye(5), "--pca 6: 5 items of 5 features have at most 5 components"),
        ((False, 4), np.eye(3, 9), "--pca 4: 3 items of 9 features have at most 3 components"),
        ((False, 2), Bags(np.eye(4), np.array([0, 3, 4])), "not the frames of a bag"),
        ((True, None), Bags(np.eye(4), np.array([0, 3, 4])), "not the frames of a bag"),
    ],
)
def test_what_cannot_be_prepared_is_told(prepare, x, message: str) -> None:
    with pytest.raises(InputError, match=message):
        Prepare(*prepare).fitted(x)


@pytest.mark.parametrize("pca", [0, -1])
def test_no_component_at_all_is_refused(pca: int) -> None:
    with pytest.raises(InputError, match=f"--pca {pca}: a probe needs at least one component"):
        Prepare(pca=pca)


@pytest.mark.parametrize("shape", [(40, 6), (5, 20)])
def test_more_components_than_the_rows_span_are_left_out(shape) -> None:
    """Rows on a line have one direction of variance: asking for three gives that one."""
    x = np.linspace(-1, 1, shape[0])[:, None] * np.ones(shape[1]) + 3
    assert Prepare(pca=3).fitted(x)(x).shape == (shape[0], 1)


def test_rows_that_are_all_the_same_have_no_component() -> None:
    with pytest.raises(InputError, match="the 9 items to be fitted have the same features"):
        Prepare(pca=2).fitted(np.ones((9, 5)))
