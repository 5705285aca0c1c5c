"""datasets/derived.py: masks and thumbnails beside images are no items, unless asked for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.datasets.derived import _ENDS, _SUFFIX, MASK, THUMBNAIL, mask_suffix, sort_out


def made(*names):
    return sort_out(names)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("a/x.png", "a/x_mask.png"),
        ("a/benign (1).png", "a/benign (1)_mask_1.png"),
        ("a/x.jpg", "a/x-Segmentation.png"),
        ("a/ISIC_001.jpg", "a/ISIC_001_segmentation.png"),
        ("s/b_t1.nii.gz", "s/b_seg.nii.gz"),
        ("s/case_0000.nii.gz", "s/case_label.nii.gz"),
        ("COVID/images/1.png", "COVID/masks/1.png"),
        ("COVID/imgs/deep/1.png", "COVID/labels/deep/1.png"),
        ("x.png", "x_GT.png"),
    ],
)
def test_a_mask_is_told_by_the_image_beside_it(image, mask):
    assert made(image, mask) == {mask: MASK}


@pytest.mark.parametrize(
    "names",
    [
        ("lesion/1.png", "normal/1.png"),
        ("a/patient_lesion_1.png", "a/other.png"),
        ("masks/1.png", "masks/2.png"),
        ("labels/1.png", "other/2.png"),
        ("a/x_mask.png", "a/y_mask.png"),
        ("mask.png", "x.png"),
    ],
)
def test_what_has_no_image_beside_it_is_an_image(names):
    assert made(*names) == {}


def test_thumbnails():
    assert made("a/x.png", "a/@eaDir/x.png/SYNOPHOTO_THUMB_M.jpg") == {
        "a/@eaDir/x.png/SYNOPHOTO_THUMB_M.jpg": THUMBNAIL
    }


def test_masks_are_counted_or_kept(tmp_path):
    for c in "ab":
        for i in range(2):
            for name in (f"{c}{i}.png", f"{c}{i}_mask.png"):
                (tmp_path / c).mkdir(exist_ok=True)
                Image.fromarray(np.full((4, 4), i, np.uint8)).save(tmp_path / c / name)
    data = fp.load_dataset(tmp_path)
    assert data.ids.tolist() == ["a/a0.png", "a/a1.png", "b/b0.png", "b/b1.png"]
    assert data.skipped == {}
    assert [data.masks.paths(i)[0].name for i in range(4)] == [
        "a0_mask.png", "a1_mask.png", "b0_mask.png", "b1_mask.png"
    ]  # fmt: skip
    assert fp.load_dataset(tmp_path, masks="none").skipped == {MASK: 4}
    assert len(fp.load_dataset(tmp_path, derived="keep")) == 8
    with pytest.raises(InputError, match="use one of skip, keep"):
        fp.load_dataset(tmp_path, derived="some")


PARTS = [
    *_ENDS,
    "ground truth",
    "ground-truth",
    "x",
    "mas",
    " ",
    "_",
    "-",
    ".",
    "7",
    "\u0663",
    "\u017f",
]


@given(st.lists(st.sampled_from(PARTS), max_size=5).map("".join), st.booleans())
def test_the_quick_look_at_a_name_misses_no_mask(stem: str, upper: bool) -> None:
    stem = stem.upper() if upper else stem
    match = _SUFFIX.match(stem)
    assert mask_suffix(stem) == (match["of"] if match else "")
