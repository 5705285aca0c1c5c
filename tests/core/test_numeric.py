"""numeric.py: softmax and sigmoid are scipy's, unit length is scikit-learn's."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import special
from sklearn.preprocessing import normalize

from featprobe.core.numeric import sigmoid, softmax, unit_rows

NUMBERS = arrays.arrays(
    st.sampled_from([np.float32, np.float64]),
    arrays.array_shapes(min_dims=2, max_dims=3, max_side=6),
    elements=st.floats(-1e4, 1e4, width=32),
)


@given(NUMBERS, st.integers(-1, 1))
def test_softmax_is_scipys_to_the_last_bit(z: np.ndarray, axis: int) -> None:
    found = softmax(z, axis)
    assert found.dtype == z.dtype
    np.testing.assert_array_equal(found, special.softmax(z, axis))


@given(NUMBERS)
def test_sigmoid_is_scipys_within_rounding(z: np.ndarray) -> None:
    found = sigmoid(z)
    assert found.dtype == z.dtype
    np.testing.assert_allclose(found, special.expit(z), rtol=0, atol=2 * np.finfo(z.dtype).eps)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_rows_have_unit_length_and_zeros_stay(dtype: type) -> None:
    x = np.random.default_rng(0).normal(size=(5, 7)).astype(dtype)
    x[2] = 0
    np.testing.assert_allclose(unit_rows(x), normalize(x), rtol=1e-6)
    assert unit_rows(x).dtype == dtype
