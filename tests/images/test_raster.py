"""images/raster.py: pixels as Pillow and tifffile know them."""

import numpy as np
import pytest
import tifffile
from PIL import Image

from featprobe.errors import UnreadableItem
from featprobe.images import files
from featprobe.images.picture import FrameRecipe

PLAIN = FrameRecipe()
RNG = np.random.default_rng(0)
GREY8 = RNG.integers(0, 256, (6, 5), np.uint8)
GREY16 = RNG.integers(0, 65536, (6, 5), np.uint16)
RGB = RNG.integers(0, 256, (6, 5, 3), np.uint8)


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def read(path):
    picture = files.read([path], PLAIN)
    assert files.count_frames([path], PLAIN) == len(picture.pixels)
    return picture.pixels


@pytest.mark.parametrize("suffix", ["png", "tif", "bmp"])
def test_8_bit_grey_and_rgb_are_exact(tmp_path, suffix):
    for array in (GREY8, RGB):
        got = read(save(tmp_path / f"x.{suffix}", array))
        assert got.dtype == np.uint8
        np.testing.assert_array_equal(got, array[None])


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_16_bit_grey_stays_16_bit(tmp_path, suffix):
    got = read(save(tmp_path / f"x.{suffix}", GREY16))
    assert got.dtype == np.uint16
    np.testing.assert_array_equal(got[0], GREY16)


def test_an_alpha_channel_is_dropped(tmp_path):
    rgba = np.dstack([RGB, np.full((6, 5), 7, np.uint8)])
    np.testing.assert_array_equal(read(save(tmp_path / "x.png", rgba))[0], RGB)
    grey = Image.merge("LA", [Image.fromarray(GREY8), Image.new("L", (5, 6), 9)])
    grey.save(tmp_path / "la.png")
    np.testing.assert_array_equal(read(tmp_path / "la.png")[0], GREY8)


def test_palettes_are_looked_up(tmp_path):
    image = Image.fromarray(GREY8 % 4, "P")
    colors = [0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 8, 7]
    image.putpalette(colors)
    image.save(tmp_path / "x.png")
    table = np.array(colors, np.uint8).reshape(4, 3)
    np.testing.assert_array_equal(read(tmp_path / "x.png")[0], table[GREY8 % 4])
    image.putpalette([v for k in (0, 80, 160, 240) for v in (k, k, k)])
    image.save(tmp_path / "grey.png")
    np.testing.assert_array_equal(read(tmp_path / "grey.png")[0], GREY8 % 4 * 80)


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_becomes_rgb_as_pillow_does(tmp_path, suffix):
    path = tmp_path / f"x.{suffix}"
    Image.fromarray(RGB).convert("CMYK").save(path)
    np.testing.assert_array_equal(read(path)[0], np.asarray(Image.open(path).convert("RGB")))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(tmp_path, orientation):
    image = Image.fromarray(GREY8)
    exif = image.getexif()
    exif[0x0112] = orientation
    image.save(tmp_path / "x.png", exif=exif)
    turned = {
        1: GREY8, 2: GREY8[:, ::-1], 3: GREY8[::-1, ::-1], 4: GREY8[::-1], 5: GREY8.T,
        6: np.rot90(GREY8, -1), 7: GREY8[::-1, ::-1].T, 8: np.rot90(GREY8),
    }  # fmt: skip
    np.testing.assert_array_equal(read(tmp_path / "x.png")[0], turned[orientation])


def test_one_bit_is_black_and_white(tmp_path):
    for suffix in ("png", "tif"):
        Image.fromarray(GREY8 > 99).save(tmp_path / f"x.{suffix}")
        np.testing.assert_array_equal(read(tmp_path / f"x.{suffix}")[0], (GREY8 > 99) * 255)


def test_a_constant_image_is_read(tmp_path):
    assert (read(save(tmp_path / "x.png", np.full((4, 4), 9, np.uint8))) == 9).all()


@pytest.mark.parametrize("shape, photometric, frames", [
    ((3, 6, 5), "minisblack", 3), ((2, 6, 5, 3), "rgb", 2), ((6, 5, 3), "rgb", 1),
])  # fmt: skip
def test_pages_of_a_tiff_are_frames(tmp_path, shape, photometric, frames):
    array = RNG.integers(0, 256, shape, np.uint8)
    tifffile.imwrite(tmp_path / "x.tif", array, photometric=photometric)
    got = read(tmp_path / "x.tif")
    assert len(got) == frames
    np.testing.assert_array_equal(got.reshape(shape), array)


def test_tiff_planes_inverted_grey_and_float(tmp_path):
    planes = np.moveaxis(RGB, -1, 0)
    tifffile.imwrite(tmp_path / "p.tif", planes, photometric="rgb", planarconfig="separate")
    np.testing.assert_array_equal(read(tmp_path / "p.tif")[0], RGB)
    tifffile.imwrite(tmp_path / "w.tif", GREY16, photometric="miniswhite")
    np.testing.assert_array_equal(read(tmp_path / "w.tif")[0], 65535 - GREY16)
    tifffile.imwrite(tmp_path / "f.tif", GREY8 / 7)
    assert read(tmp_path / "f.tif").dtype == np.float32


def test_a_tiff_codec_that_is_not_installed_is_named(tmp_path, monkeypatch):
    save(tmp_path / "x.tif", GREY8, compression="tiff_lzw")

    def without(self, **options):
        raise ValueError("<COMPRESSION.LZW: 5> requires the 'imagecodecs' package")

    monkeypatch.setattr(tifffile.TiffPageSeries, "asarray", without)
    with pytest.raises(UnreadableItem, match=r"LZW, which needs imagecodecs.*featprobe\[tiff\]"):
        read(tmp_path / "x.tif")


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_the_limit_is_named_and_can_be_raised(tmp_path, monkeypatch, suffix):
    path = save(tmp_path / f"x.{suffix}", GREY8)
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "29")
    for job in (files.read, files.count_frames):
        with pytest.raises(UnreadableItem, match="set FEATPROBE_MAX_PIXELS"):
            job([path], PLAIN)
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "12")  # below half: Pillow itself refuses
    with pytest.raises(UnreadableItem, match="set FEATPROBE_MAX_PIXELS"):
        files.read([path], PLAIN)
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "30")
    assert read(path).shape == (1, 6, 5)


def test_a_limit_that_is_no_number_is_named(tmp_path, monkeypatch):
    path = save(tmp_path / "x.png", GREY8)
    monkeypatch.setenv("FEATPROBE_MAX_PIXELS", "lots")
    with pytest.raises(UnreadableItem, match="FEATPROBE_MAX_PIXELS='lots' must be a whole number"):
        files.read([path], PLAIN)


def test_a_png_that_claims_more_than_it_can_hold_is_refused(tmp_path):
    import zlib

    data = bytearray(save(tmp_path / "x.png", GREY8).read_bytes())
    data[16:24] = (16000).to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(UnreadableItem, match="damaged or cut short"):
        files.read([tmp_path / "x.png"], PLAIN)
