"""images/intensity.py: black and white of an item."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featprobe.core.errors import InputError, UnreadableItem
from featprobe.images.decoded_image import DecodedImage
from featprobe.images.intensity import apply_rule, value_range
from featprobe.images.rules import PRESETS, parts


def picture(values, dtype=np.int16, frames=1, **more):
    return DecodedImage(np.resize(np.asarray(values, dtype), (frames, 4, 5)), **more)


@pytest.mark.parametrize("rule, expected", [
    ("lung", (-1350, 150)), ("soft-tissue", (-150, 250)), ("abdomen", (-150, 250)),
    ("mediastinum", (-125, 225)), ("bone", (-500, 1300)), ("brain", (0, 80)), ("liver", (-45, 105)),
    ("range=-1024,600", (-1024, 600)), ("window=40,400", (-160, 240)),
    ("range=-1e+3,1e+3", (-1000, 1000)),
])  # fmt: skip
def test_fixed_windows(rule, expected):
    assert value_range(picture(range(20)), rule) == expected


def test_rules_that_look_at_the_values():
    p = picture(range(20))
    assert value_range(p, "minmax") == (0, 19)
    assert value_range(p, "percentile=10,90") == tuple(np.percentile(np.arange(20), (10, 90)))
    mean, sd = np.arange(20).mean(), np.arange(20).std()
    assert value_range(p, "zscore") == pytest.approx((mean - 3 * sd, mean + 3 * sd))
    assert value_range(p, "zscore=1.5") == pytest.approx((mean - 1.5 * sd, mean + 1.5 * sd))


def test_auto():
    assert value_range(picture(range(20), np.uint8)) == (0, 255)
    assert value_range(picture(range(20))) == (0, 19)
    stack = picture(range(40), frames=2)
    assert value_range(stack) == tuple(np.percentile(np.arange(40), (0.5, 99.5)))
    assert value_range(picture(range(20), window=(3, 5))) == (3, 5)
    assert value_range(picture(range(20), np.uint8, window=(3, 5))) == (3, 5)


@pytest.mark.parametrize(
    ("values", "dtype", "expected"),
    [
        ([0, 1], np.float32, (0, 1)),
        ([0, 0.2], np.float32, (0, 1)),
        ([0, 254.5], np.float32, (0, 255)),
        ([-1, 1], np.float32, (-1, 1)),
        ([0, 4080], np.int16, (0, 4095)),
        ([0, 4095], np.uint16, (0, 4095)),
        ([0, 1000], np.uint16, (0, 1023)),
        ([0, 16000], np.uint16, (0, 16383)),
        ([0, 65535], np.uint16, (0, 65535)),
        ([0, 1], np.uint8, (0, 255)),
    ],
)
def test_auto_of_colours_is_the_end_of_a_usual_range(values, dtype, expected):
    pixels = np.resize(np.array(values, dtype), (1, 4, 6, 3))
    assert value_range(DecodedImage(pixels)) == expected


@pytest.mark.parametrize(("high", "white"), [(1, 1), (3, 3), (15, 15), (16, 255), (0, 255)])
def test_a_volume_of_bytes_that_are_labels_is_shown_to_its_highest(high, white):
    pixels = np.zeros((2, 4, 5), np.uint8)
    pixels[1, 2] = high
    assert value_range(DecodedImage(pixels, affine=np.eye(4))) == (0, white)
    assert value_range(DecodedImage(pixels)) == (0, 255)  # a film may be as dark


def test_padding_takes_no_part_in_a_rule_and_is_black():
    values = np.r_[np.full(60, -2000), np.arange(-100, 101)].astype(np.int16)
    padded = DecodedImage(values.reshape(1, 9, 29), padding=-2000.0)
    inside = values[60:].astype(float)
    assert value_range(padded, "minmax") == (-100, 100)
    assert value_range(padded, "percentile=5,95") == tuple(np.percentile(inside, (5, 95)))
    mean, deviation = inside.mean(), inside.std()
    np.testing.assert_allclose(
        value_range(padded, "zscore=2"), (mean - 2 * deviation, mean + 2 * deviation)
    )
    pixels, levels = apply_rule(padded, "range=-3000,1000")
    assert (pixels[0].ravel()[:60] <= levels[0]).all()
    np.testing.assert_array_equal(pixels.ravel()[60:], values[60:])


def test_chosen_frames_are_shown_as_in_the_whole_stack():
    whole = np.arange(60, dtype=np.int16).reshape(3, 4, 5)
    chosen = DecodedImage(whole[1:2], whole=whole)
    for rule in ("auto", "minmax", "percentile=1,99", "zscore"):
        assert value_range(chosen, rule) == value_range(DecodedImage(whole), rule)
    joined = DecodedImage(np.moveaxis(whole, 0, -1)[None], whole=whole)
    assert value_range(joined) == value_range(DecodedImage(whole))


def test_three_rules_are_three_channels():
    low, high = value_range(picture(range(20)), "lung+bone+window=40,80")
    np.testing.assert_array_equal(low, [-1350, -500, 0])
    np.testing.assert_array_equal(high, [150, 1300, 80])
    color = DecodedImage(np.zeros((1, 4, 5, 3), np.uint8))
    with pytest.raises(UnreadableItem, match="these have channels"):
        value_range(color, "lung+bone+brain")


def test_none_takes_values_as_they_are():
    assert value_range(picture(range(20), np.uint8), "none") == (0, 255)
    assert value_range(picture(range(20), np.uint16), "none") == (0, 65535)
    assert value_range(picture([0.1, 0.9], np.float32), "none") == (0, 1)
    for p in (picture(range(20)), picture([0.1, 1.2], np.float32)):
        with pytest.raises(UnreadableItem, match="use range=A,B"):
            value_range(p, "none")


def test_file_needs_a_window():
    with pytest.raises(UnreadableItem, match="no display window"):
        value_range(picture(range(20)), "file")


@pytest.mark.parametrize("rule, said", [
    ("lungs", "Did you mean 'lung'"), ("lung+bone", "2 parts"), ("", "unknown intensity rule"),
    ("range=1", "two numbers"), ("range=5,1", "must rise"), ("percentile=-1,50", "must rise"),
    ("percentile=0,101", "must rise"), ("window=40,0", "width must be positive"),
    ("zscore=0", "must be positive"), ("zscore=x", "needs a number"), ("range=nan,1", "finite"),
    ("minmax=3", "unknown intensity rule"), ("lung+bone+bon", "Did you mean 'bone'"),
])  # fmt: skip
def test_other_rules_are_refused(rule, said):
    with pytest.raises(InputError, match=said):
        parts(rule)


@given(
    value=st.integers(-30000, 30000),
    frames=st.integers(1, 3),
    rule=st.sampled_from(["auto", "minmax", "percentile=5,95", "zscore", "none", *PRESETS]),
)
def test_a_constant_item_has_a_range_without_nan(value, frames, rule):
    p = picture([value], frames=frames)
    if rule == "none":
        return
    low, high = value_range(p, rule)
    assert np.isfinite([low, high]).all()
    assert low <= high


@given(st.lists(st.integers(-2000, 3000), min_size=4, max_size=60))
def test_clamp_is_clipping_and_then_minmax(values: list[int]) -> None:
    """As Baharoon et al. 2023 show slices of AMOS and BTCV: torch.clamp(-1024, 600), min-max."""
    pixels = np.array(values, dtype=np.int16).reshape(1, 1, -1)
    low, high = value_range(DecodedImage(pixels), "clamp=-1024,600")
    clipped = np.clip(pixels, -1024, 600)
    assert (low, high) == (clipped.min(), clipped.max())
    assert value_range(DecodedImage(pixels), "clamp=-inf,600")[0] == min(600, pixels.min())


@given(st.lists(st.integers(0, 4000), min_size=4, max_size=60))
def test_cut_makes_the_darkest_zero_and_keeps_the_rest(values: list[int]) -> None:
    """As Baharoon et al. 2023 read the figshare tumours (datasets/brain_tumor.py)."""
    image = np.array(values, dtype=np.int16).reshape(1, 1, -1)
    top, bottom = np.percentile(image, 95), np.percentile(image, 5)
    theirs = np.where(image <= top, image, top)
    theirs = np.where(image <= bottom, 0.0, theirs)
    pixels, (low, high) = apply_rule(DecodedImage(image), "cut=5,95")
    assert pixels.dtype == image.dtype
    if theirs.max() > 0:
        shown = np.clip((pixels - low) / (high - low), 0, 1)
        np.testing.assert_allclose(shown, theirs / theirs.max(), atol=1e-6)


def test_cut_stands_alone_and_keeps_percentiles_in_order() -> None:
    with pytest.raises(InputError, match="cut changes values"):
        value_range(DecodedImage(np.zeros((1, 2, 2), np.uint8)), "cut=5,95+lung+bone")
    with pytest.raises(InputError, match="must rise"):
        value_range(DecodedImage(np.zeros((1, 2, 2), np.uint8)), "cut=95,5")
    with pytest.raises(InputError, match="must be finite"):
        value_range(DecodedImage(np.zeros((1, 2, 2), np.uint8)), "range=-inf,5")
