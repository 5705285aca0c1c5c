"""JPEG files decoded on a device: which ones, what of a key says so, and what a user is told.

There is no device here: torchvision's function and torch's streams are stood in for.
"""

from __future__ import annotations

import sys
from contextlib import nullcontext
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import nibabel
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

import featprobe as fp
from featprobe.cli.main import main
from featprobe.core.errors import InputError, UnreadableItem
from featprobe.datasets.unused_options import unused_options
from featprobe.extraction.decoding import separable
from featprobe.images import device_jpeg, files, raster
from featprobe.images.decoded_image import FrameRecipe
from tests.conftest import make_tiny

DEVICE, HOST = FrameRecipe(decode="device"), FrameRecipe()


def picture(mode: str = "RGB", size: tuple[int, int] = (30, 20)) -> Image.Image:
    shape = (size[1], size[0], 3) if mode != "L" else size[::-1]
    pixels = np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)
    return Image.fromarray(pixels).convert(mode)


@pytest.fixture
def card(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """What decodes makes pixels one lighter than Pillow's, and counts."""
    seen: list[int] = []

    def on_device(data: np.ndarray) -> np.ndarray:
        import io

        seen.append(len(data))
        found = np.asarray(Image.open(io.BytesIO(data.tobytes()))) // 2
        return found[..., None] if found.ndim == 2 else found

    monkeypatch.setattr(device_jpeg, "_on_device", on_device)
    monkeypatch.setattr(device_jpeg, "needed", lambda: None)
    return seen


def saved(folder: Path, name: str, mode: str = "RGB", **options: Any) -> Path:
    path = folder / name
    picture(mode).save(path, **options)
    return path


@pytest.mark.parametrize("options", [{"subsampling": n} for n in (0, 1, 2)] + [{"optimize": True}])
@pytest.mark.parametrize("mode", ["RGB", "L"])
def test_plain_files_are_decoded_on_the_device(card, tmp_path, mode, options) -> None:
    path = saved(tmp_path, "a.jpg", mode, **options)
    found = raster.load(path, DEVICE).pixels
    assert card == [path.stat().st_size]
    host = raster.load(path, HOST).pixels
    assert found.shape == host.shape
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, host // 2)


def turned() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = 6
    return exif


@pytest.mark.parametrize(
    ("name", "mode", "options"),
    [
        ("progressive.jpg", "RGB", {"progressive": True}),
        ("colours of print.jpg", "CMYK", {}),
        ("turned.jpg", "RGB", {"exif": turned()}),
        ("stored as RGB.jpg", "RGB", {"keep_rgb": True}),
        ("a.png", "RGB", {}),
        ("a.bmp", "RGB", {}),
        ("a.webp", "RGB", {"lossless": True}),
    ],
)
def test_all_else_is_read_as_ever(card, tmp_path, name, mode, options) -> None:
    path = saved(tmp_path, name, mode, **options)
    found, expected = raster.load(path, DEVICE), raster.load(path, HOST)
    assert card == []
    np.testing.assert_array_equal(found.pixels, expected.pixels)
    assert found.notes == expected.notes


@given(st.integers(0, 600))
def test_a_cut_file_is_never_given_to_the_device(cut: int) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as text, pytest.MonkeyPatch.context() as patch:
        given: list[bytes] = []
        patch.setattr(device_jpeg, "_on_device", lambda data: given.append(data.tobytes()))
        path = saved(Path(text), "a.jpg")
        whole = path.read_bytes()
        path.write_bytes(whole[: max(0, len(whole) - 1 - cut)])
        with pytest.raises(UnreadableItem):
            files.read((path,), DEVICE)
        assert given == []


def test_filling_behind_the_end_is_no_damage(card, tmp_path) -> None:
    path = saved(tmp_path, "a.jpg")
    path.write_bytes(path.read_bytes() + b"\0" * 7)
    raster.load(path, DEVICE)
    assert len(card) == 1


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (RuntimeError("nvjpegDecode failed: 6"), "not decoded on cuda: RuntimeError: nvjpegDecode"),
        (np.zeros((5, 6, 3), np.uint8), "cuda makes 6 x 5 pixels of it, its header says 30 x 20"),
    ],
)
def test_what_the_device_refuses_has_its_reason(tmp_path, monkeypatch, made, said) -> None:
    def refused(data: np.ndarray) -> np.ndarray:
        if isinstance(made, Exception):
            raise made
        return made

    monkeypatch.setattr(device_jpeg, "_on_device", refused)
    path = saved(tmp_path, "a.jpg")
    with pytest.raises(UnreadableItem, match=said) as caught:
        files.read((path,), DEVICE)
    assert str(path) in str(caught.value)


def test_it_is_part_of_the_key_and_older_keys_stay() -> None:
    assert "decode" not in HOST.to_dict()
    assert FrameRecipe(**HOST.to_dict()) == HOST
    assert DEVICE.to_dict() == {**HOST.to_dict(), "decode": "device"}
    assert FrameRecipe(**DEVICE.to_dict()) == DEVICE
    with pytest.raises(InputError, match="unknown decode 'gpu'"):
        FrameRecipe(decode="gpu")


@pytest.fixture
def jpegs(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for i in range(6):
        place = folder / "ab"[i % 2]
        place.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(np.random.default_rng(i).integers(0, 256, (40, 40), dtype=np.uint8))
        image.save(place / f"p{i}.jpg")
    return folder


def test_an_extraction_decodes_in_its_own_process_into_a_store_of_its_own(
    card, jpegs, tmp_path
) -> None:
    plain = fp.load_dataset(jpegs, cache=tmp_path)
    data = fp.load_dataset(jpegs, decode="device", cache=tmp_path)
    assert separable(plain)
    assert not separable(data)
    options: dict[str, Any] = {"cache": tmp_path, "device": "cpu", "workers": 2}
    one, other = (fp.extract(make_tiny(), d, **options) for d in (plain, data))
    assert len(card) == 6
    assert one.key.digest != other.key.digest
    assert other.key.recipe["decode"] == "device"
    assert not np.allclose(one.x("cls"), other.x("cls"))
    again = fp.extract(make_tiny(), data, **options)
    assert again.summary.new_frames == 0


def test_a_machine_without_a_device_is_told(jpegs, tmp_path, capsys) -> None:
    with pytest.raises(InputError, match="--decode device: torch .* sees no CUDA device here"):
        fp.load_dataset(jpegs, decode="device", cache=tmp_path)
    with pytest.raises(SystemExit, match="2"):
        main(["extract", "--model", "tiny_vit14", "--data", str(jpegs), "--decode", "device"])
    [line] = capsys.readouterr().err.splitlines()
    assert "sees no CUDA device here; leave it out" in line
    plain = fp.load_dataset(jpegs, cache=tmp_path)
    plain.recipe = DEVICE  # made in another way
    with pytest.raises(InputError, match="--decode device"):
        fp.extract(make_tiny(), plain, cache=tmp_path, device="cpu")


@pytest.mark.parametrize(
    "error", [ImportError("No module named torchvision"), RuntimeError("operator nms is missing")]
)
def test_a_machine_without_torchvision_is_told(monkeypatch, error) -> None:
    class Lacking(ModuleType):
        def __getattr__(self, name: str) -> Any:
            raise error

    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.io", Lacking("torchvision.io"))
    with pytest.raises(InputError, match=r"needs torchvision .*featprobe\[jpeg\].*" + str(error)):
        device_jpeg.needed()


def test_pixels_come_back_by_a_stream_of_each_thread_on_the_device_of_the_process(
    monkeypatch,
) -> None:
    asked: list[Any] = []
    io = ModuleType("torchvision.io")

    def decode_jpeg(data: torch.Tensor, device: str) -> torch.Tensor:
        assert data.dtype == torch.uint8
        asked.append(device)
        return torch.arange(2 * 3 * 4, dtype=torch.uint8).reshape(2, 3, 4)

    io.decode_jpeg = decode_jpeg  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "torchvision", ModuleType("torchvision"))
    monkeypatch.setitem(sys.modules, "torchvision.io", io)
    streams: list[Any] = []
    monkeypatch.setattr(torch.cuda, "device", nullcontext)
    monkeypatch.setattr(torch.cuda, "Stream", lambda: streams.append(1) or SimpleNamespace())
    monkeypatch.setattr(torch.cuda, "stream", nullcontext)
    monkeypatch.setattr(device_jpeg, "_here", SimpleNamespace())
    monkeypatch.setattr(device_jpeg, "_device", "cuda")
    device_jpeg.prefer("cuda:1")
    for _ in range(2):
        found = device_jpeg._on_device(np.zeros(9, np.uint8))
    assert asked == ["cuda:1", "cuda:1"]
    assert len(streams) == 1
    assert found.shape == (3, 4, 2)
    assert found.flags.c_contiguous
    assert found[1, 2].tolist() == [6, 18]


def test_it_has_no_effect_where_there_are_no_pictures(card, tmp_path) -> None:
    (tmp_path / "volumes").mkdir()
    for i in range(2):
        pixels = np.zeros((8, 8, 4), np.int16)
        nibabel.Nifti1Image(pixels, np.eye(4)).to_filename(tmp_path / "volumes" / f"v{i}.nii")
    data = fp.load_dataset(tmp_path / "volumes", label="none", decode="device", cache=tmp_path)
    assert "decode device has no effect: no item is a JPEG" in unused_options(data)
