"""Scores of items: hand-made boxes, MONAI as the reference, empty masks, one slice, void."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featprobe.images.grids import VOID
from featprobe.metrics.segmentation import FIELDS
from featprobe.segmentation.scores import mask_scores


def named(row: np.ndarray) -> dict[str, float]:
    return dict(zip(FIELDS, row.tolist()))


def box(shift: tuple[int, int, int] = (0, 0, 0), label: int = 1) -> np.ndarray:
    out = np.zeros((20, 22, 24), np.uint8)
    out[tuple(slice(5 + s, 11 + s) for s in shift)] = label
    return out


@pytest.mark.parametrize(("axis", "step"), [(0, 3.0), (1, 1.0), (2, 0.5)])
def test_a_box_that_is_shifted_is_as_far_away_as_its_spacing_says(axis: int, step: float) -> None:
    shift = [0, 0, 0]
    shift[axis] = 2
    found = named(mask_scores(box(tuple(shift)), box(), (3.0, 1.0, 0.5), 2)[0])
    assert found["hd95"] == pytest.approx(2 * step)
    assert found["dice"] == pytest.approx(2 / 3)
    assert found["iou"] == pytest.approx(1 / 2)
    assert found["volume_error"] == 0
    assert (found["tp"], found["fp"], found["fn"]) == (144, 72, 72)


def test_the_same_mask_is_perfect_and_a_larger_one_has_a_volume_error() -> None:
    same = named(mask_scores(box(), box(), None, 2)[0])
    assert [same[n] for n in FIELDS[:5]] == [1, 1, 0, 0, 0]
    larger = box()
    larger[5:11, 5:11, 11:14] = 1
    found = named(mask_scores(larger, box(), (1, 1, 2), 2)[0])
    assert found["volume_error"] == pytest.approx(0.5)
    assert found["hd95"] == pytest.approx(6)


def test_rules_for_what_is_empty() -> None:
    truth, nothing = box(), np.zeros_like(box())
    diagonal = float(np.linalg.norm(np.array(truth.shape) * (3, 1, 1)))
    both = named(mask_scores(nothing, nothing, (3, 1, 1), 2)[0])
    assert all(np.isnan(both[n]) for n in FIELDS[:5])
    assert [both[n] for n in FIELDS[5:]] == [0, 0, 0]
    missed = named(mask_scores(nothing, truth, (3, 1, 1), 2)[0])
    assert [missed[n] for n in FIELDS[:5]] == [0, 0, diagonal, diagonal, 1]
    invented = named(mask_scores(truth, nothing, (3, 1, 1), 2)[0])
    assert [invented[n] for n in FIELDS[:4]] == [0, 0, diagonal, diagonal]
    assert np.isnan(invented["volume_error"])
    assert invented["fp"] == 216


def test_a_class_that_is_nowhere_is_not_defined_and_leaves_the_others_alone() -> None:
    found = mask_scores(box(), box(), None, 4)
    assert found.shape == (3, len(FIELDS))
    assert found[0, 0] == 1
    assert np.isnan(found[1:, :5]).all()


def test_voxels_that_are_not_known_take_no_part() -> None:
    truth = box()
    truth[:8] = np.where(truth[:8] == 1, VOID, truth[:8])
    said = box()
    found = named(mask_scores(said, truth, None, 2)[0])
    assert found["dice"] == 1
    assert found["hd95"] == 0


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_one_slice_is_a_picture(axis: int) -> None:
    a = np.zeros((20, 20), np.uint8)
    a[4:12, 4:12] = 1
    one, other = (np.expand_dims(x, axis) for x in (a, np.roll(a, 3, 1)))
    spacing = [1.0, 1.0]
    spacing.insert(axis, 7.0)
    found = named(mask_scores(one, other, spacing, 2)[0])
    flat = _monai(a == 1, np.roll(a, 3, 1) == 1, [1.0, 1.0])
    assert (found["hd95"], found["asd"]) == pytest.approx(flat, rel=1e-5)


def test_labels_that_overlap_are_scored_apart() -> None:
    truth = np.stack([box() == 1, box((2, 0, 0)) == 1])
    found = mask_scores(truth[::-1], truth, None, 2)
    assert found[:, 0] == pytest.approx([2 / 3, 2 / 3])


def _monai(a: np.ndarray, b: np.ndarray, spacing: list[float]) -> tuple[float, float]:
    torch = pytest.importorskip("torch")
    metrics = pytest.importorskip("monai.metrics")
    pair = [torch.from_numpy(x.astype(np.float32))[None, None] for x in (a, b)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        far = metrics.compute_hausdorff_distance(
            *pair, include_background=True, percentile=95, spacing=spacing
        )
        mean = metrics.compute_average_surface_distance(
            *pair, include_background=True, symmetric=True, spacing=spacing
        )
    return float(far), float(mean)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10_000), st.tuples(*[st.sampled_from([0.5, 1.0, 2.5])] * 3))
def test_surfaces_are_those_of_monai(seed: int, spacing: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(seed)
    smooth = rng.normal(size=(2, 12, 10, 8)).cumsum(1).cumsum(2)
    a, b = smooth > smooth.mean((1, 2, 3), keepdims=True)
    found = named(mask_scores(a.astype(np.uint8), b.astype(np.uint8), spacing, 2)[0])
    expected = _monai(a, b, list(spacing))
    assert (found["hd95"], found["asd"]) == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_dice_and_iou_are_those_of_scikit_learn() -> None:
    from sklearn.metrics import f1_score, jaccard_score

    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 3, (2, 6, 7, 8))
    found = mask_scores(a, b, None, 3)
    assert found[:, 0] == pytest.approx(f1_score(b.ravel(), a.ravel(), average=None)[1:])
    assert found[:, 1] == pytest.approx(jaccard_score(b.ravel(), a.ravel(), average=None)[1:])
