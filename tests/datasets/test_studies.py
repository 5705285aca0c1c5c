"""Studies of several modalities: as colours, or pooled apart."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest
from PIL import Image

import featprobe as fp
from featprobe.core.errors import InputError, UnknownName, UnreadableItem
from featprobe.images.intensity import value_range


@pytest.fixture
def table(tmp_path: Path) -> Path:
    """Eight patients of two modalities with different value ranges, the third is T1 again."""
    rng = np.random.default_rng(0)
    rows = ["id,t1,flair,t1b,label"]
    for p in range(8):
        base = rng.normal(size=(12, 10, 4))
        for name, scale in (("t1", 1000), ("flair", 3)):
            image = nibabel.Nifti1Image((base * scale).astype(np.float32), np.eye(4))
            image.to_filename(tmp_path / f"p{p}_{name}.nii.gz")
            base = rng.normal(size=base.shape)
        rows.append(f"p{p},p{p}_t1.nii.gz,p{p}_flair.nii.gz,p{p}_t1.nii.gz,{p % 2}")
    path = tmp_path / "studies.csv"
    path.write_text("\n".join(rows))
    return path


def alone(table: Path, name: str, i: int) -> np.ndarray:
    """Frames of one modality between its black and white, 0 to 1."""
    single = table.with_name(f"{name}.csv")
    files = [f"p{p}_{name}.nii.gz" for p in range(8)]
    single.write_text("\n".join(["path,label", *[f"{f},{p % 2}" for p, f in enumerate(files)]]))
    picture = fp.load_dataset(single).open(i)
    low, high = value_range(picture)
    return np.clip((picture.pixels - low) / (high - low), 0, 1)


def test_modalities_become_colours_each_between_its_own_black_and_white(table: Path) -> None:
    data = fp.load_dataset(table, modalities=("t1", "flair"))
    assert data.ids.tolist() == [f"p{p}" for p in range(8)]
    for i in (0, 7):
        picture = data.open(i)
        assert picture.pixels.shape == (data.frames(i), *alone(table, "t1", i).shape[1:], 3)
        low, high = value_range(picture, "percentile=5,95")  # settled: the rule is not asked again
        shown = (picture.pixels - low) / (high - low)
        np.testing.assert_allclose(shown[..., 0], alone(table, "t1", i), atol=1e-4)
        np.testing.assert_allclose(shown[..., 1], alone(table, "flair", i), atol=1e-4)
        assert not shown[..., 2].any()


@pytest.mark.slow
def test_late_fusion_joins_the_features_of_each_modality(table: Path, tiny_backbone) -> None:
    both = fp.load_dataset(table, modalities=("t1", "flair"), fusion="late")
    assert both.frames(0) == 8
    joined = fp.extract(tiny_backbone, both, dtype="float32").x()
    for k, name in enumerate(("t1", "flair")):
        alone(table, name, 0)
        single = fp.extract(
            tiny_backbone, fp.load_dataset(table.with_name(f"{name}.csv")), dtype="float32"
        )
        np.testing.assert_allclose(joined[:, 32 * k : 32 * (k + 1)], single.x(), atol=1e-3)


def test_order_and_fusion_are_part_of_the_key(table: Path, tiny_backbone) -> None:
    keys = {
        fp.extract(tiny_backbone, fp.load_dataset(table, modalities=m, fusion=f)).key.digest
        for m, f in (
            (("t1", "flair"), "rgb"), (("flair", "t1"), "rgb"), (("t1", "flair"), "late"),
        )
    }  # fmt: skip
    assert len(keys) == 3


def test_the_real_study_of_two_series_is_one_item(real_data: Path, tmp_path: Path) -> None:
    path = tmp_path / "study.csv"
    path.write_text("id,flair,t1\nstudy,FLAIR,T1post\n")
    data = fp.load_dataset(path, root=real_data / "brain_mr", modalities=("flair", "t1"))
    pixels = data.read(0)
    assert len(data) == 1
    assert pixels.shape == (data.frames(0), 512, 512, 3)
    correlation = np.corrcoef(pixels[10, ..., 0].ravel(), pixels[10, ..., 1].ravel())[0, 1]
    assert correlation > 0.3  # co-registered: the same head


def test_what_does_not_go_together_is_told(table: Path, class_folders: Path) -> None:
    with pytest.raises(UnknownName, match="no column 'flare'. Did you mean 'flair'"):
        fp.load_dataset(table, modalities=("t1", "flare"))
    with pytest.raises(InputError, match="4 modalities do not fit three colours"):
        fp.load_dataset(table, modalities=("t1", "flair", "t1b", "t1"))
    with pytest.raises(InputError, match="do not go with them"):
        fp.load_dataset(table, modalities=("t1",), channels="neighbours")
    with pytest.raises(InputError, match="columns of a manifest"):
        fp.load_dataset(class_folders, modalities=("t1",))
    image = nibabel.Nifti1Image(np.zeros((5, 5, 4), np.float32), np.eye(4))
    image.to_filename(table.parent / "p3_flair.nii.gz")
    with pytest.raises(UnreadableItem, match="do not lie on one grid"):
        fp.load_dataset(table, modalities=("t1", "flair")).read(3)


@pytest.fixture
def films(tmp_path: Path) -> Path:
    """Frontal and lateral films of other sizes and colours; some studies lack one of them."""
    rng = np.random.default_rng(1)
    rows = ["id,frontal,lateral,label"]
    for p in range(6):
        names = {"frontal": f"p{p}_f.png", "lateral": f"p{p}_l.png"}
        size = {"frontal": (40, 30 + p), "lateral": (24, 50, *([3] * (p == 2)))}
        if p == 3:
            names["frontal"] = ""
        if p == 4:
            names["lateral"] = ""
        for view, name in names.items():
            if name:
                image = rng.integers(0, 256, size[view], dtype=np.uint8)
                Image.fromarray(image).save(tmp_path / name)
        rows.append(f"p{p},{names['frontal']},{names['lateral']},{'ab'[p % 2]}")
    path = tmp_path / "films.csv"
    path.write_text("\n".join(rows))
    return path


@pytest.mark.parametrize("workers", [0, 2])
def test_views_of_other_sizes_are_pooled_apart_and_may_be_missing(
    films: Path, tiny_backbone, workers: int
) -> None:
    data = fp.load_dataset(films, modalities=("frontal", "lateral"), fusion="late")
    assert data.notes == ["1 of 6 studies have no 'frontal'", "1 of 6 studies have no 'lateral'"]
    features = fp.extract(tiny_backbone, data, dtype="float32", workers=workers)
    assert features.ids.tolist() == [f"p{p}" for p in range(6)]
    joined = features.x()
    alone = {}
    for view, end in (("frontal", "f"), ("lateral", "l")):
        table = films.with_name(f"{view}.csv")
        there = [p for p in range(6) if films.with_name(f"p{p}_{end}.png").exists()]
        table.write_text("path,label\n" + "\n".join(f"p{p}_{end}.png,{'ab'[p % 2]}" for p in there))
        single = fp.extract(tiny_backbone, fp.load_dataset(table), dtype="float32", workers=0)
        alone[view] = dict(zip(there, single.x()))
    for p in range(6):
        frontal = alone["frontal"].get(p, alone["lateral"].get(p))
        lateral = alone["lateral"].get(p, alone["frontal"].get(p))
        np.testing.assert_allclose(joined[p], np.concatenate([frontal, lateral]), atol=2e-3)
    assert features.summary.notes["p3"] == "without frontal"


def test_views_may_have_other_numbers_of_frames(tmp_path: Path, tiny_backbone) -> None:
    rows = ["id,t1,scout"]
    rng = np.random.default_rng(2)
    for p in range(3):
        for name, n in (("t1", 4 + p), ("scout", 2)):
            image = nibabel.Nifti1Image(rng.normal(size=(9, 8, n)).astype(np.float32), np.eye(4))
            image.to_filename(tmp_path / f"p{p}_{name}.nii.gz")
        rows.append(f"p{p},p{p}_t1.nii.gz,p{p}_scout.nii.gz")
    (tmp_path / "t.csv").write_text("\n".join(rows))
    data = fp.load_dataset(tmp_path / "t.csv", modalities=("t1", "scout"), fusion="late")
    assert [data.frames(i) for i in range(3)] == [6, 7, 8]
    features = fp.extract(tiny_backbone, data, dtype="float32", workers=0)
    frames = features.frames("cls", 1).reshape(21, -1)
    want = np.concatenate([frames[6:11].mean(0), frames[11:13].mean(0)])
    np.testing.assert_allclose(features.x()[1], want, atol=1e-5)


def test_a_study_without_any_view_is_left_out_alone(films: Path, tiny_backbone) -> None:
    films.write_text(films.read_text() + "\np6,,,a")
    data = fp.load_dataset(films, modalities=("frontal", "lateral"), fusion="late")
    features = fp.extract(tiny_backbone, data, workers=0)
    assert [x.id for x in features.left_out] == ["p6"]
    assert "no view of this study" in features.left_out[0].reason
    assert len(features) == 6


def test_as_colours_a_missing_view_is_black(table: Path) -> None:
    text = table.read_text().replace("p1_flair.nii.gz", "")
    table.write_text(text)
    data = fp.load_dataset(table, modalities=("t1", "flair"))
    assert not data.open(1).pixels[..., 1].any()
    assert data.open(1).pixels[..., 0].any()
