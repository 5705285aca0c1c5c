"""The main job on real images: chest films, MR volumes, a DICOM series, an npz."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pydicom
import pytest

import featprobe as fp
from featprobe.core.errors import InputError
from featprobe.evaluation.protocols import make_split


def test_chest_films_are_grouped_and_split_by_patient(real_data: Path, tiny_backbone) -> None:
    data = fp.load_dataset(real_data / "nih_cxr")
    assert len(data) == 168
    assert data.classes == ("No_findings", "Pneumonia")
    for item, group in zip(data.ids, data.groups):
        assert Path(str(item)).name.startswith(f"{group}_")
    both = set(data.groups[data.targets == 0]) & set(data.groups[data.targets == 1])
    assert len(both) == 2
    features = fp.extract(tiny_backbone, data)
    assert len(features) == 168
    assert not features.left_out
    for seed in range(20):
        s = make_split(features.y, features.groups, features.split, seed=seed, ids=features.ids)
        train, val, test = (set(features.groups[i]) for i in (s.train, s.val, s.test))
        assert not train & val
        assert not train & test
        assert not val & test
    found = fp.evaluate(features, fp.KNNProbe(k=[1, 5, 20]))
    assert all(r.split["grouping"].startswith("file names of the form <patient>") for r in found)


def test_rgba_and_grey_films_look_alike_to_the_reader(real_data: Path) -> None:
    data = fp.load_dataset(real_data / "nih_cxr")
    shapes = {data.read(i).shape for i in range(len(data))}
    assert shapes == {(1, 1024, 1024), (1, 1024, 1024, 3)}


def test_unlabelled_volumes_are_extracted_and_the_probe_says_why_not(
    real_data: Path, tiny_backbone, tmp_path
) -> None:
    few = tmp_path / "volumes"
    few.mkdir()
    for path in sorted((real_data / "hippocampus" / "images").iterdir())[:6]:
        (few / path.name).symlink_to(path)
    data = fp.load_dataset(few)
    features = fp.extract(tiny_backbone, data)
    assert features.store.layout.frames == sum(data.frames(i) for i in range(6))
    assert features.x().shape == (6, 32)
    with pytest.raises(InputError, match="no labels, so there is nothing to probe"):
        fp.evaluate(features, "knn")


def test_stored_frames_of_volumes_keep_their_world_position(real_data: Path) -> None:
    import nibabel

    data = fp.load_dataset(real_data / "hippocampus" / "images")
    for i in (0, 50, 129):
        picture = data.open(i)
        image = nibabel.load(real_data / "hippocampus" / "images" / str(data.ids[i]))
        volume, inverse = np.asarray(image.dataobj), np.linalg.inv(image.affine)
        rng = np.random.default_rng(i)
        for _ in range(50):
            f, r, c = (rng.integers(n) for n in picture.pixels.shape)
            world = picture.affine @ [c, r, f, 1]
            x, y, z = np.rint(inverse @ world)[:3].astype(int)
            assert picture.pixels[f, r, c] == volume[x, y, z]


def test_a_series_is_one_item_with_frames_in_slice_order(real_data: Path, tiny_backbone) -> None:
    folder = real_data / "brain_mr" / "FLAIR"
    data = fp.load_dataset(folder)
    assert len(data) == 1
    slices = [pydicom.dcmread(p) for p in folder.iterdir()]
    normal = np.cross(*np.split(np.array(slices[0].ImageOrientationPatient, float), 2))
    slices.sort(key=lambda s: normal @ np.array(s.ImagePositionPatient, float))
    pixels = data.read(0)
    assert pixels.shape == (len(slices), 512, 512)
    for frame, ds in zip(pixels, slices):
        np.testing.assert_array_equal(frame, ds.pixel_array)
    features = fp.extract(tiny_backbone, data)
    assert features.x().shape == (1, 32)
    assert features.store.frame_index().tolist() == list(range(len(slices)))


def test_nothing_of_a_patient_reaches_the_store(real_data: Path, tiny_backbone, cache) -> None:
    folder = real_data / "brain_mr" / "FLAIR"
    features = fp.extract(tiny_backbone, fp.load_dataset(folder))
    head = pydicom.dcmread(next(folder.iterdir()), stop_before_pixels=True)
    assert features.groups.tolist() == ["patient-0001"]
    identifying = [str(head.PatientID), str(head.SeriesInstanceUID), str(head.StudyInstanceUID)]
    everything = b"".join(p.read_bytes() for p in cache.rglob("*") if p.is_file())
    for text in identifying:
        assert text
        assert text.encode() not in everything


@pytest.mark.slow
def test_the_npz_keeps_its_official_split(real_data: Path, tiny_backbone) -> None:
    data = fp.load_dataset(real_data / "pneumoniamnist_28.npz")
    assert [int((data.split == s).sum()) for s in ("train", "val", "test")] == [2428, 270, 468]
    with np.load(real_data / "pneumoniamnist_28.npz") as z:
        np.testing.assert_array_equal(data.read(2428 + 3)[0], z["val_images"][3])
        assert data.targets[-1] == z["test_labels"][-1, 0]
    features = fp.extract(tiny_backbone, data)
    found = fp.evaluate(features, "logistic")[0]
    assert found.split["items"] == {"train": 2428, "val": 270, "test": 468}
    assert found.metrics["auroc"] > 0.6
