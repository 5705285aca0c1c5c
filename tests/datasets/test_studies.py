"""Studies of several modalities: as colours, or pooled apart."""

from __future__ import annotations

from pathlib import Path

import nibabel
import numpy as np
import pytest

import featprobe as fp
from featprobe.errors import InputError, UnknownName, UnreadableItem
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
