"""images/volume.py: axes and planes; what becomes of pixels is in test_nifti and test_frames."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.images.volume import VIEWS, as_frames, choose_plane, frame_count, oblique, world_axes


@given(matrix=st.lists(st.floats(-3, 3), min_size=9, max_size=9))
def test_each_array_axis_gets_a_world_axis_of_its_own(matrix):
    affine = np.eye(4)
    affine[:3, :3] = np.reshape(matrix, (3, 3))
    assert sorted(world_axes(affine)) == [0, 1, 2]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 2, 0), (2, 1, 0)])
def test_axes_are_found_in_any_order(order):
    affine = np.eye(4)
    affine[:3, :3] = np.eye(3)[:, order] * [1, -2, 3]
    assert world_axes(affine) == list(order)


@pytest.mark.parametrize("spacing, plane", [
    ((1, 1, 1), "axial"), ((1, 1, 1.49), "axial"), ((1, 1, 1.5), "axial"), ((3, 1, 1), "sagittal"),
    ((1, 3, 1), "coronal"), ((2, 2, 1), "axial"), ((1, 1.5, 1), "coronal"),
])  # fmt: skip
def test_auto_is_the_plane_of_acquisition(spacing, plane):
    affine = np.diag([*spacing, 1.0])
    assert choose_plane(affine) == plane
    assert choose_plane(affine, "sagittal") == "sagittal"


@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    plane=st.sampled_from(["auto", *VIEWS]),
    spacing=st.tuples(*[st.floats(-4, 4).filter(lambda v: abs(v) > 0.1)] * 3),
)
def test_the_count_from_the_header_is_that_of_the_frames(shape, plane, spacing):
    affine = np.diag([*spacing, 1.0])
    frames, _ = as_frames(np.zeros(shape), affine, plane)
    assert frame_count(shape, affine, plane) == len(frames)
    assert frames.flags.c_contiguous


def test_the_smallest_angle_noted_is_above_one_degree():
    for degrees, noted in ((0.9, False), (1.1, True)):
        t = np.radians(degrees)
        affine = np.eye(4)
        affine[:2, :2] = [[np.cos(t), -np.sin(t)], [np.sin(t), np.cos(t)]]
        assert bool(oblique(affine)) is noted
