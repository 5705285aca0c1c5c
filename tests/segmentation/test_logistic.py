"""Shares of labels as rows of a logistic problem."""

from __future__ import annotations

import numpy as np
import pytest

from featprobe.segmentation.decoders.logistic import _CUTS, _steps


def test_rows_of_a_patch_have_the_share_of_each_label_to_a_quarter() -> None:
    labels = (np.random.default_rng(0).random((40, 3, 4, 4)) < 0.4).astype(np.uint8)
    labels[0], labels[1] = 0, 1
    labels[2, 0] = 255
    labels[3, 1, :2] = 255
    place, y, weight = _steps(labels)
    flat = labels.reshape(40, 3, 16)
    for i in range(40):
        of = place == i
        assert weight[of].sum() == pytest.approx(1)
        for k in range(3):
            known = flat[i, k] != 255
            if not known.any():
                assert np.isnan(y[of, k]).all()
                continue
            share = (flat[i, k][known] == 1).mean()
            assert (weight[of] * y[of, k]).sum() == pytest.approx(share, abs=0.1251)
    assert [int((place == i).sum()) for i in (0, 1, 4)] == [1, 1, len(_CUTS)]
