"""datasets/masks*.py: which masks belong to which images, what their values are, what is wrong."""

from __future__ import annotations

import json

import nibabel
import numpy as np
import pytest
from PIL import Image

import featprobe as fp
from featprobe.core.errors import InputError, UnknownName, UnreadableItem
from featprobe.datasets.audit import audit
from featprobe.datasets.base import Dataset
from featprobe.datasets.mask_classes import class_table, read_classes
from featprobe.datasets.masks import Masks
from featprobe.images.grids import Line, View
from featprobe.images.masks import COLOUR


def png(path, values=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.eye(6, 8, dtype=np.uint8) * 200 if values is None else values).save(path)
    return path


def nifti(path, values=None, affine=None):
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.zeros((4, 5, 3)) if values is None else values
    nibabel.save(nibabel.Nifti1Image(values.astype(np.float32), affine or np.eye(4)), path)
    return path


def binary(*where, shape=(6, 8), value=255):
    out = np.zeros(shape, np.uint8)
    for y, x in where:
        out[y, x] = value
    return out


# -- layouts ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/{}.png", "labels/{}.png"),
        ("images/{}.jpg", "masks/{}.png"),
        ("image/{}.png", "mask/{}.png"),
        ("Images/{}.png", "Masks/{}_mask.png"),
        ("img/{}.png", "ground truth/{}.png"),
        ("{}.png", "{}_mask.png"),
        ("{}.png", "{}_seg.png"),
        ("{}.jpg", "{}_segmentation.png"),
        ("{}.png", "masks/{}.png"),
        ("x/{}.png", "x/masks/{}.png"),
        ("train/images/{}.png", "train/masks/{}.png"),
        ("images/train/{}.png", "labels/train/{}.png"),
        ("COVID/images/{}.png", "COVID/masks/{}.png"),
        ("imagesTr/{}_0000.nii.gz", "labelsTr/{}.nii.gz"),
        ("imagesTr/{}.nii.gz", "labelsTr/{}.nii.gz"),
        ("{}/{}_t1.nii.gz", "{}/{}_seg.nii.gz"),
    ],
)
def test_layouts(tmp_path, image, mask):
    for name in ("p1", "p2"):
        for text in (image, mask):
            path = tmp_path / text.format(name, name)
            nifti(path) if path.name.endswith(".nii.gz") else png(path)
    data = fp.load_dataset(tmp_path)
    assert len(data) == 2
    assert [p.name for i in range(2) for p in data.masks.paths(i)] == [
        (tmp_path / mask.format(n, n)).name for n in ("p1", "p2")
    ]
    assert data.masks.unpaired == ()
    assert not data.masks.multilabel
    assert fp.load_dataset(tmp_path, masks="none").masks is None
    assert fp.load_dataset(tmp_path, bare=True).masks is None


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        ("images/{i}.png", "masks/{c}/{i}.png"),
        ("images/{i}.png", "masks/{i}/{c}.png"),
        ("images/{i}.png", "masks/{c}/{i}_mask.png"),
        ("{i}/ct.nii.gz", "{i}/segmentations/{c}.nii.gz"),
    ],
)
def test_a_file_a_class_is_multilabel(tmp_path, image, mask):
    for i in ("a", "b"):
        for text in [image.format(i=i), *(mask.format(i=i, c=c) for c in ("heart", "lung"))]:
            path = tmp_path / text
            if path.name.endswith(".nii.gz"):
                nifti(path, np.full((4, 5, 3), 1.0 + ("lung" in text)))
            else:
                png(path, binary((1, 1), (2, 2) if "lung" in text else (3, 3)))
    data = fp.load_dataset(tmp_path)
    assert len(data) == 2
    assert data.masks.multilabel
    assert data.masks.classes == ("heart", "lung")
    values = data.masks.read(0).values
    assert values.dtype == bool
    assert values.shape[0] == 2
    assert values[0].any()
    assert values[1].any()
    with pytest.raises(InputError, match="file a class"):
        fp.load_dataset(tmp_path, mask_classes=["a", "b"])


def test_several_masks_of_an_image_are_united(tmp_path):
    png(tmp_path / "benign (1).png")
    png(tmp_path / "benign (1)_mask.png", binary((0, 0)))
    png(tmp_path / "benign (1)_mask_1.png", binary((5, 7)))
    data = fp.load_dataset(tmp_path)
    assert np.argwhere(data.masks.read(0).values[0]).tolist() == [[0, 0], [5, 7]]


def test_folders_that_are_named(tmp_path):
    png(tmp_path / "films" / "a.png")
    for side in ("left", "right"):
        png(tmp_path / "films" / "drawn" / side / "a.png", binary((1, 1 if side == "left" else 5)))
    named = [f"{s} lung=drawn/{s}" for s in ("left", "right")]
    data = fp.load_dataset(tmp_path / "films", masks=named)
    assert len(data) == 1
    assert data.masks.classes == ("left lung", "right lung")
    assert np.argwhere(data.masks.read(0).values[:, 0]).tolist() == [[0, 1, 1], [1, 1, 5]]
    png(tmp_path / "other" / "a.png", binary((1, 1)))
    images = tmp_path / "films" / "a.png"
    png(tmp_path / "alone" / "a.png", np.asarray(Image.open(images)))
    one = fp.load_dataset(
        tmp_path / "alone", masks=str(tmp_path / "other"), mask_classes=["none", "lung"]
    )
    assert one.masks.has(0)
    assert one.masks.classes == ("none", "lung")
    with pytest.raises(FileNotFoundError, match="no folder nowhere"):
        fp.load_dataset(tmp_path / "films", masks="nowhere")


def test_the_column_of_a_manifest(tmp_path):
    for n in "abc":
        png(tmp_path / f"{n}.png")
    png(tmp_path / "m" / "a.png", binary((1, 1)))
    (tmp_path / "t.csv").write_text("path,label,mask\na.png,1,m/a.png\nb.png,0,\nc.png,1,m/c.png\n")
    data = fp.load_dataset(tmp_path / "t.csv")
    assert data.classes == ("0", "1")
    assert [data.masks.has(i) for i in range(3)] == [True, False, True]
    assert data.masks.classes == ("background", "foreground")
    assert data.masks.origin == "column 'mask' of the manifest"
    assert audit(data).masks.unreadable[0].endswith("c.png: no such file")
    with pytest.raises(UnknownName, match="no column 'x'"):
        fp.load_dataset(tmp_path / "t.csv", masks="x")
    both = fp.load_dataset(tmp_path / "t.csv", masks=["left=mask", "right=mask"])
    assert both.masks.multilabel


def test_one_volume_with_its_mask(tmp_path):
    image, mask = nifti(tmp_path / "x.nii.gz"), nifti(tmp_path / "y.nii.gz", np.ones((4, 5, 3)))
    data = fp.load_dataset(image, masks=str(mask))
    assert data.masks.read(0).values.all()


def test_channels_of_nnunet_are_one_case(tmp_path):
    for case in ("a", "b"):
        for c in range(2):
            nifti(tmp_path / "imagesTr" / f"{case}_000{c}.nii.gz", np.full((4, 5, 3), c))
        nifti(tmp_path / "labelsTr" / f"{case}.nii.gz")
    (tmp_path / "dataset.json").write_text(
        json.dumps({"labels": {"background": 0, "liver": 1, "ignore": 2}})
    )
    data = fp.load_dataset(tmp_path)
    assert len(data) == 2
    assert data.masks.classes == ("background", "liver")
    assert data.skipped == {"further channel of a case (--channel chooses one)": 2}
    second = fp.load_dataset(tmp_path, channel=1)
    assert second.open(0).pixels.min() == 1
    assert second.masks.has(0)


def test_regions_of_nnunet_overlap(tmp_path):
    nifti(tmp_path / "imagesTr" / "a.nii.gz")
    labels = np.arange(60).reshape(4, 5, 3) % 4
    nifti(tmp_path / "labelsTr" / "a.nii.gz", labels)
    regions = {"background": 0, "whole": [1, 2, 3], "core": [2, 3], "enhancing": 3}
    (tmp_path / "dataset.json").write_text(json.dumps({"labels": regions}))
    masks = fp.load_dataset(tmp_path).masks
    assert masks.classes == ("whole", "core", "enhancing")
    for k in range(3):
        np.testing.assert_array_equal(masks.read(0).values[k], labels > k)


def test_text_beside_images_is_no_mask(tmp_path):
    png(tmp_path / "images" / "a.png")
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "a.txt").write_text("0 0.5 0.5 1 1")
    data = fp.load_dataset(tmp_path)
    assert data.masks is None
    assert data.warnings["masks"] == ["labels/ holds no image file, so no masks are read"]


# -- classes ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seen", "names", "table", "classes"),
    [
        ([0, 255], (), {0: 0, 255: 1}, ("background", "foreground")),
        ([0, 1], (), {0: 0, 1: 1}, ("background", "foreground")),
        ([0], (), {0: 0, 1: 1}, ("background", "foreground")),
        ([255], ("b", "lung"), {0: 0, 255: 1}, ("b", "lung")),
        ([0, 1, 255], (), {0: 0, 1: 1, 255: 255}, ("background", "1")),
        ([0, 1, 255], ("b", "lung"), {0: 0, 1: 1, 255: 255}, ("b", "lung")),
        ([0, 128, 255], (), {0: 0, 128: 1, 255: 2}, ("background", "128", "255")),
        ([0, 205, 420], (), {0: 0, 205: 1, 420: 2}, ("background", "205", "420")),
        ([0, 2], ("a", "b", "c"), {0: 0, 1: 1, 2: 2, 255: 255}, ("a", "b", "c")),
        ([COLOUR, COLOUR + 0xFF0000], (), {COLOUR: 0, COLOUR + 0xFF0000: 1},
         ("background", "#ff0000")),
        ([0, COLOUR + 255], ("b", "v"), {COLOUR: 0, COLOUR + 255: 1}, ("b", "v")),
    ],
)  # fmt: skip
def test_values_become_classes(seen, names, table, classes):
    found = class_table(seen, names)
    assert dict(found.values) == table
    assert found.names == classes


def test_classes_as_typed():
    assert read_classes(["b", "liver"]) == (("b", "liver"), {})
    assert read_classes(["b=0", "t=2,3"]) == (("b", "t"), {"b": (0,), "t": (2, 3)})
    assert read_classes(["b=#000000", "t=#Ff0001"])[1]["t"] == (COLOUR + 0xFF0001,)
    for texts, match in (
        (["b", "b"], "twice"), (["b=0", "t"], "give 't' a value"), (["b=x"], "no number"),
        (["=1"], "NAME=1"), (["b="], "NAME=1"),
    ):  # fmt: skip
        with pytest.raises(InputError, match=match):
            read_classes(texts)


def test_colours_by_a_table(tmp_path):
    colours = np.zeros((6, 8, 3), np.uint8)
    colours[0], colours[1] = (255, 0, 0), (0, 0, 255)
    png(tmp_path / "images" / "a.png")
    png(tmp_path / "images" / "b.png")
    png(tmp_path / "masks" / "a.png", colours)
    png(tmp_path / "masks" / "b.png", np.zeros((6, 8), np.uint8))
    given = ["background=#000000", "vessel=#0000ff", "tissue=#ff0000"]
    masks = fp.load_dataset(tmp_path, mask_classes=given).masks
    assert masks.read(0).values[0, :3, 0].tolist() == [2, 1, 0]
    assert not masks.read(1).values.any()
    assert fp.load_dataset(tmp_path).masks.classes == ("background", "#0000ff", "#ff0000")
    png(tmp_path / "masks" / "b.png", np.full((6, 8, 3), (1, 2, 3), np.uint8))
    with pytest.raises(UnreadableItem, match="#010203 is none of the classes"):
        fp.load_dataset(tmp_path, mask_classes=given).masks.read(1)


def test_a_lossy_mask_is_cut_at_half(tmp_path):
    png(tmp_path / "images" / "a.png")
    (tmp_path / "masks").mkdir()
    square = np.zeros((6, 8), np.uint8)
    square[2:5, 2:6] = 255
    Image.fromarray(square).save(tmp_path / "masks" / "a.jpg", quality=40)
    np.testing.assert_array_equal(fp.load_dataset(tmp_path).masks.read(0).values[0], square > 0)


def test_masks_of_arrays():
    images = np.zeros((3, 4, 5), np.uint8)
    labels = np.arange(60).reshape(3, 4, 5) % 3
    data = Dataset.from_arrays(images, masks=labels)
    for i in range(3):
        np.testing.assert_array_equal(data.masks.read(i).values, labels[i][None])
    stacks = Dataset.from_arrays(images[None], masks=labels[None], volumes=True)
    np.testing.assert_array_equal(stacks.masks.read(0).values, labels)
    with pytest.raises(InputError, match="2 masks for 3 items"):
        Dataset.from_arrays(images, masks=labels[:2])


def test_the_digest_sees_masks_and_features_do_not(tmp_path):
    png(tmp_path / "images" / "a.png")
    mask = png(tmp_path / "masks" / "a.png", binary((1, 1)))
    first = fp.load_dataset(tmp_path)
    digest, fingerprint = first.masks.digest, first.fingerprint
    assert fp.load_dataset(tmp_path).masks.digest == digest
    png(mask, binary((2, 2)))
    second = fp.load_dataset(tmp_path)
    assert second.masks.digest != digest
    assert second.fingerprint == fingerprint
    assert fp.load_dataset(tmp_path, mask_classes=["b", "v"]).masks.digest != second.masks.digest


# -- data check ---------------------------------------------------------------------------------


def test_check_names_what_is_wrong(tmp_path):
    shape = (4, 5, 3)
    good = np.zeros(shape)
    good[0], good[1] = 1, 2
    for name in ("good", "lost", "text", "empty", "odd", "shape", "shift", "flip"):
        nifti(tmp_path / "images" / f"{name}.nii.gz", np.arange(60.0).reshape(shape))
        nifti(tmp_path / "labels" / f"{name}.nii.gz", good)
    labels = tmp_path / "labels"
    (labels / "lost.nii.gz").unlink()
    (labels / "text.nii.gz").write_text("no mask")
    nifti(labels / "empty.nii.gz", np.zeros(shape))
    nifti(labels / "odd.nii.gz", good * 3.5)
    nifti(labels / "shape.nii.gz", np.zeros((4, 5, 2)))
    moved = np.eye(4)
    moved[0, 3] = 1
    nibabel.save(nibabel.Nifti1Image(good.astype(np.uint8), moved), labels / "shift.nii.gz")
    flipped = nibabel.Nifti1Image(good.astype(np.uint8), np.eye(4)).as_reoriented(
        np.array([[1, -1], [0, 1], [2, 1]])
    )
    nibabel.save(flipped, labels / "flip.nii.gz")
    nifti(labels / "nobody.nii.gz", good)
    nifti(labels / "good2.nii.gz", good)
    nifti(tmp_path / "images" / "good2.nii.gz", np.arange(60.0).reshape(shape))
    nifti(labels / "seven.nii.gz", good * 7)
    nifti(tmp_path / "images" / "seven.nii.gz", np.arange(60.0).reshape(shape))
    data = fp.load_dataset(tmp_path, mask_classes=["background", "one", "two"])
    found = audit(data).masks
    assert found.lacking == ["images/lost.nii.gz"]
    assert found.unpaired == [str(labels / "nobody.nii.gz")]
    assert [t.split(":")[0] for t in found.unreadable] == [
        "images/odd.nii.gz",
        "images/text.nii.gz",
    ]
    assert [t.split(":")[0] for t in found.grid] == ["images/shape.nii.gz", "images/shift.nii.gz"]
    assert "4 x 5 x 2" in found.grid[0]
    assert "1 voxels off" in found.grid[1]
    assert found.empty == ["images/empty.nii.gz"]
    assert found.values == [
        f"images/seven.nii.gz: {labels / 'seven.nii.gz'}: values 7, 14 are none of the classes "
        "(0 background, 1 one, 2 two)"
    ]
    assert found.items == {"background": 4, "one": 3, "two": 3}
    assert found.voxels == {"background": 60 + 3 * 30, "one": 45, "two": 45}
    assert audit(data).problems >= sum(map(len, found.findings.values())) == 8


def test_check_names_a_class_that_a_part_lacks(tmp_path):
    rows = ["path,split,mask"]
    for i, part in enumerate(("train", "train", "test")):
        png(tmp_path / f"{i}.png")
        png(tmp_path / f"m{i}.png", binary((1, 1), value=1) * (1 if part == "test" else 2))
        rows.append(f"{i}.png,{part},m{i}.png")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    given = fp.load_dataset(tmp_path / "t.csv", mask_classes=["b", "one", "two", "three"])
    assert audit(given).masks.absent == [
        "one: in no mask of train", "two: in no mask of test", "three: in no mask"
    ]  # fmt: skip


def test_void_is_counted_apart(tmp_path):
    png(tmp_path / "images" / "a.png")
    values = np.zeros((6, 8), np.uint8)
    values[0], values[1], values[2] = 255, 1, 2
    png(tmp_path / "masks" / "a.png", values)
    found = audit(fp.load_dataset(tmp_path)).masks
    assert found.voxels == {"background": 24, "1": 8, "2": 8, "(void)": 8}


def test_real_hippocampus_masks(real_data):
    data = fp.load_dataset(real_data / "hippocampus")
    masks = data.masks
    for i in range(0, 130, 13):
        stored = nibabel.load(masks.paths(i)[0])
        mask = masks.read(i)
        np.testing.assert_array_equal(mask.values, np.asarray(stored.dataobj))
        np.testing.assert_allclose(mask.spacing, stored.header.get_zooms())
    assert masks.classes == ("background", "1", "2")


def test_a_missing_mask_is_an_unreadable_item():
    data = Dataset.from_arrays(np.zeros((2, 4, 5), np.uint8))
    data.set_masks(Masks.of([None, None]))
    with pytest.raises(UnreadableItem, match="no mask"):
        data.masks.read(0)


@pytest.mark.parametrize("plane", ["auto", "sagittal", "all"])
@pytest.mark.parametrize("frames", ["all", "foreground", "n=7", "stride=3"])
@pytest.mark.parametrize("spacing", [None, 2.0])
def test_grids_have_the_frames_of_their_images(real_data, plane, frames, spacing):
    more = {} if spacing is None else {"spacing": spacing}
    data = fp.load_dataset(real_data / "hippocampus", plane=plane, frames=frames, **more)
    grid = data.grid(3, lambda h, w: View((h, w), Line(0, 1), Line(0, 1)))
    pixels = data.read(3)
    values = data.masks.read(3).values
    cut = grid.to_frames(values)
    assert cut.shape == pixels.shape
    back = grid.to_voxels(cut)
    dice = 2 * ((back > 0) & (values > 0)).sum() / ((back > 0).sum() + (values > 0).sum())
    assert dice > {"all": 0.93, "foreground": 0.93, "n=7": 0.7, "stride=3": 0.8}[frames] - (
        0.1 if spacing else 0
    )
