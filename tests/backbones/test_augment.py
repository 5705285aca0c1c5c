"""Augmentation against torch, scipy and Pillow."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy import ndimage
from torch.nn import functional as F

from featprobe.backbones.augment import (
    augment,
    augment_both,
    brightened,
    contrasted,
    drawn,
    placement,
    rotation,
    warp,
    window,
)
from featprobe.backbones.spec import AUGMENTATIONS
from featprobe.core.errors import UnknownName


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 4, channels: int = 1, h: int = 24, w: int = 32) -> torch.Tensor:
    return torch.rand(count, channels, h, w, generator=seeded(9))


def smooth(h: int, w: int) -> torch.Tensor:
    """(1, 1, h, w) in [0, 1] without sharp edges."""
    y, x = torch.meshgrid(torch.arange(h), torch.arange(w), indexing="ij")
    return (0.5 + 0.25 * (x / 5).sin() + 0.25 * (y / 7).cos())[None, None]


@settings(max_examples=60, deadline=None)
@given(
    names=st.lists(st.sampled_from(AUGMENTATIONS), min_size=1, max_size=8, unique=True),
    channels=st.sampled_from([1, 3]),
    h=st.integers(1, 17),
    w=st.integers(1, 17),
    count=st.integers(1, 5),
    seed=st.integers(0, 2**31),
)
def test_shape_type_and_range_stay(names, channels, h, w, count, seed) -> None:
    x = pictures(count, channels, h, w).round(decimals=1)  # with exact zeros and ones
    before = x.clone()
    out = augment(x, names, seeded(seed))
    assert out.shape == x.shape
    assert out.dtype == x.dtype
    assert out.min() >= 0
    assert out.max() <= 1
    assert out.isfinite().all()
    assert torch.equal(x, before)
    shuffled = augment(x, names[::-1], seeded(seed))
    assert torch.equal(out, shuffled)


@pytest.mark.parametrize("names", [*((n,) for n in AUGMENTATIONS), AUGMENTATIONS], ids="+".join)
def test_the_generator_decides(names) -> None:
    x = pictures(16, 3)
    torch.manual_seed(1)
    one = augment(x, names, seeded(3))
    torch.manual_seed(2)  # the global generator has no part in it
    assert torch.equal(one, augment(x, names, seeded(3)))
    assert not torch.equal(one, augment(x, names, seeded(4)))
    generator = seeded(3)
    augment(x, names, generator)
    assert not torch.equal(one, augment(x, names, generator))
    same = augment(x[:1].expand(16, -1, -1, -1), names, seeded(3))
    assert len(same.flatten(1).unique(dim=0)) > 1  # each picture has draws of its own


def test_nothing_named_gives_the_pictures_themselves() -> None:
    x = pictures()
    generator = seeded()
    assert augment(x, (), generator) is x
    assert torch.equal(generator.get_state(), seeded().get_state())


@pytest.mark.parametrize("size", [(24, 32), (32, 32), (7, 5)])
def test_the_identity_leaves_pictures_as_they_are(size) -> None:
    x = pictures(2, 3, *size)
    assert (warp(x, torch.eye(3).repeat(2, 1, 1)) - x).abs().max() < 1e-6


@pytest.mark.parametrize("name, axis", [("flip", 3), ("vflip", 2)])
def test_flips_are_those_of_torch_for_half_of_the_pictures(name, axis) -> None:
    x = pictures(200, 1, 6, 8)
    out = augment(x, [name], seeded())
    same = (out - x).abs().flatten(1).amax(1) < 1e-5
    mirrored = (out - x.flip(axis)).abs().flatten(1).amax(1) < 1e-5
    assert (same ^ mirrored).all()
    assert 70 < mirrored.sum() < 130  # 4 deviations of a fair coin


@pytest.mark.parametrize("size", [(40, 40), (36, 60)])
@pytest.mark.parametrize("degrees", [-15.0, 4.0, 90.0])
def test_rotation_is_scipys_and_black_outside(size, degrees) -> None:
    x = smooth(*size)
    out = warp(x, rotation(torch.tensor([degrees]), size))[0, 0].numpy()
    expected = ndimage.rotate(x[0, 0].numpy(), degrees, reshape=False, order=1, cval=-9.0)
    inside = expected > 0
    inside &= ndimage.binary_erosion(inside, border_value=1)
    assert inside.mean() > 0.5
    np.testing.assert_allclose(out[inside], expected[inside], atol=2e-5)
    outside = ndimage.rotate(np.ones(size), degrees, reshape=False, order=1) == 0
    outside = ndimage.binary_erosion(outside, border_value=1)
    assert (out[outside] == 0).all()
    if degrees == -15.0:
        assert outside.any()


def test_drawn_angles_reach_to_both_ends_only() -> None:
    matrix = placement(500, (20, 20), ["rotate"], seeded())
    angle = torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0]).rad2deg()
    assert -15 <= angle.min() < -14
    assert 14 < angle.max() <= 15


def test_a_window_is_torchs_crop_and_resize() -> None:
    x = pictures(1, 3, 24, 32)
    part = x[..., 6:18, 8:28]  # 12 of 24 rows from 6, 20 of 32 columns from 8
    at = [torch.tensor([v]) for v in (8 / 32, 6 / 24, 20 / 32, 12 / 24)]
    out = warp(x, window(*at))
    expected = F.interpolate(part, (24, 32), mode="bilinear", align_corners=False)
    # torch repeats the part's own edge, the window sees its neighbours in the picture
    torch.testing.assert_close(out[..., 2:-2, 2:-2], expected[..., 2:-2, 2:-2], atol=1e-5, rtol=0)


def test_drawn_windows_lie_within_the_picture() -> None:
    matrix = placement(2000, (24, 32), ["crop"], seeded())
    width, height = matrix[:, 0, 0], matrix[:, 1, 1]
    area, ratio = width * height, width / height
    assert 0.5 - 1e-6 < area.min() < 0.51
    assert 0.99 < area.max() < 1 + 1e-6
    assert 3 / 4 - 1e-5 < ratio.min() < 0.77
    assert 1.3 < ratio.max() < 4 / 3 + 1e-5
    for centre, side in ((matrix[:, 0, 2], width), (matrix[:, 1, 2], height)):
        assert (centre.abs() + side <= 1 + 1e-6).all()
    white = augment(torch.ones(300, 1, 9, 11), ["crop"], seeded())
    assert (white > 1 - 1e-6).all()  # no black seam at the edges


def test_geometric_ones_are_composed() -> None:
    x, names = smooth(40, 48).repeat(30, 1, 1, 1), ["crop", "flip", "rotate"]
    out = augment(x, names, seeded(1))
    generator = seeded(1)
    turned = placement(30, (40, 48), ["rotate"], generator)
    cropped = placement(30, (40, 48), ["crop"], generator)
    mirrored = placement(30, (40, 48), ["flip"], generator)
    one_by_one = warp(warp(warp(x, turned), cropped), mirrored)
    within = warp(warp(warp(torch.ones_like(x), turned), cropped), mirrored) > 0.999
    within &= F.max_pool2d(1.0 - within.float(), 3, 1, 1) == 0  # away from the black corners
    assert within.float().mean() > 0.8
    assert (out - one_by_one)[within].abs().max() < 0.02  # twice interpolated


@pytest.mark.parametrize("factor", [0.8, 1.0, 1.2])
@pytest.mark.parametrize(
    "change, pillow",
    [(brightened, ImageEnhance.Brightness), (contrasted, ImageEnhance.Contrast)],
    ids=["brightness", "contrast"],
)
def test_brightness_and_contrast_are_pillows(change, pillow, factor) -> None:
    grey = (pictures(1)[0, 0] * 255).round().to(torch.uint8)
    expected = np.asarray(pillow(Image.fromarray(grey.numpy())).enhance(factor))
    out = change(grey[None, None] / 255, torch.tensor(factor))[0, 0].numpy()
    np.testing.assert_allclose(out * 255, expected, atol=1.2)  # Pillow rounds, the mean too


def test_drawn_factors_stay_within_their_ends() -> None:
    x = torch.full((500, 1, 2, 2), 0.5)
    factor = augment(x, ["brightness"], seeded())[:, 0, 0, 0] / 0.5
    assert 0.8 - 1e-6 < factor.min() < 0.81
    assert 1.19 < factor.max() < 1.2 + 1e-6
    x[..., 0], x[..., 1] = 0.4, 0.6
    out = augment(x, ["contrast"], seeded())
    factor = (out[..., 1] - out[..., 0]) / 0.2
    assert 0.8 - 1e-5 < factor.min() < 0.81
    assert 1.19 < factor.max() < 1.2 + 1e-5


def test_noise_has_no_mean_and_deviations_up_to_its_end() -> None:
    x = torch.full((200, 1, 40, 40), 0.5)
    added = (augment(x, ["noise"], seeded()) - x).flatten(1)
    deviation = added.std(1)
    assert deviation.min() < 0.001
    assert 0.028 < deviation.max() < 0.032
    assert (added.mean(1).abs() < 5 * deviation / math.sqrt(1600)).all()


def test_a_quarter_of_the_pictures_loses_one_rectangle() -> None:
    out = augment(torch.ones(800, 3, 40, 40), ["erase"], seeded())
    gone = out == 0
    assert ((out == 1) | gone).all()
    assert torch.equal(gone, gone[:, :1].expand_as(gone))
    hit = gone.flatten(1).any(1)
    assert 150 < hit.sum() < 250  # 4 deviations
    for mask in gone[hit, 0]:
        rows, columns = mask.any(1).nonzero(), mask.any(0).nonzero()
        box = mask[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
        assert box.all()
    share = gone[hit, 0].float().mean((1, 2))
    assert 0.01 < share.min() < 0.04
    assert 0.17 < share.max() < 0.23


def test_the_record_says_what_is_drawn() -> None:
    record = drawn(["rotate", "flip"])
    assert list(record) == ["flip", "rotate"]
    assert record["rotate"] == {"degrees": [-15.0, 15.0]}
    assert json.loads(json.dumps(drawn(AUGMENTATIONS))) == drawn(AUGMENTATIONS)
    assert set(drawn(AUGMENTATIONS)) == set(AUGMENTATIONS)


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="unknown augmentation 'flipp'. Did you mean 'flip'"):
        augment(pictures(), ["flipp"], seeded())


@pytest.mark.parametrize("names", [("flip",), ("vflip", "flip"), ("rotate",), ("crop", "rotate")])
@pytest.mark.parametrize("labels", [0, 2])
def test_masks_move_with_their_pictures(names, labels) -> None:
    """A picture that shows its mask shows it afterwards, but for pixels on the edges."""
    y = torch.zeros(16, 48, 40, dtype=torch.uint8)
    y[:, 10:30, 6:22] = 1
    x = y[:, None].float()
    target = torch.stack([y, 1 - y], 1) if labels else y
    moved, mask = augment_both(x, target, names, seeded())
    assert torch.equal(moved, augment(x, names, seeded()))
    assert mask.dtype == torch.uint8
    assert mask.shape == target.shape
    first = mask[:, 0] if labels else mask
    known = first != 255
    if labels:
        assert torch.equal(mask[:, 1][known], 1 - first[known])
    agree = ((moved[:, 0] > 0.5) == (first == 1)) | ~known
    assert agree.float().mean() > 0.99
    assert known.float().mean() > 0.8
    assert (moved[:, 0][~known] == 0).all()  # nothing is known of what is beyond the picture
    if "rotate" not in names:
        assert known.all()


def test_masks_on_a_coarser_grid_move_as_far() -> None:
    y = torch.zeros(8, 4, 4, dtype=torch.uint8)
    y[:, 1, 0] = 1
    x = torch.nn.functional.interpolate(y[:, None].float(), (32, 32))
    moved, mask = augment_both(x, y, ("flip", "vflip"), seeded())
    assert torch.equal(torch.nn.functional.interpolate(moved, (4, 4))[:, 0] > 0.5, mask == 1)


def test_targets_of_items_stay_with_any_augmentation() -> None:
    for target in (torch.arange(4), torch.rand(4, 3)):
        assert augment_both(pictures()[:4], target, AUGMENTATIONS, seeded())[1] is target
