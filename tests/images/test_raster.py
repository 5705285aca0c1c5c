"""images/raster.py: pixels as Pillow and tifffile know them."""

import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from featprobe.core.errors import UnreadableItem
from featprobe.images import files, raster
from featprobe.images.decoded_image import FrameRecipe

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


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("channels", [1, 3])
def test_the_orientation_of_a_tiff_is_applied_as_pillow_does(tmp_path, orientation, channels):
    values = np.arange(24 * channels, dtype=np.uint8).reshape(4, 6, channels)
    values = values[..., 0] if channels == 1 else values
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, extratags=[(274, "H", 1, orientation, True)])
    image = Image.fromarray(values)
    exif = image.getexif()
    exif[274] = orientation
    image.save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:  # Pillow's own turning of TIFF is wrong by stride
        want = np.asarray(ImageOps.exif_transpose(image))
    picture = raster.load(path, FrameRecipe())
    np.testing.assert_array_equal(picture.pixels[0], want)
    assert raster.extent(path, FrameRecipe()).shape == (want.shape[1], want.shape[0], 1)


@pytest.mark.parametrize("scale", [1, 257])
def test_a_palette_of_bytes_in_16_bits_is_not_black(tmp_path, scale):
    index = np.arange(64, dtype=np.uint8).reshape(8, 8)
    colors = (np.arange(768, dtype=np.uint16).reshape(3, 256) % 256) * np.uint16(scale)
    tifffile.imwrite(tmp_path / "a.tif", index, photometric="palette", colormap=colors)
    want = np.moveaxis(colors // scale, 0, -1)[index]
    np.testing.assert_array_equal(raster.load(tmp_path / "a.tif", FrameRecipe()).pixels[0], want)


def test_more_values_than_colours_are_said_and_one_can_be_chosen(tmp_path):
    values = np.arange(5 * 48, dtype=np.uint8).reshape(6, 8, 5)
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, values, photometric="minisblack", planarconfig="contig")
    picture = raster.load(path, FrameRecipe())
    np.testing.assert_array_equal(picture.pixels[0], values[..., :3])
    assert "5 values a pixel" in picture.notes[0]
    np.testing.assert_array_equal(
        raster.load(path, FrameRecipe(channel=4)).pixels[0], values[..., 4]
    )
    with pytest.raises(UnreadableItem, match="no --channel 5"):
        raster.load(path, FrameRecipe(channel=5))


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("a.webp", "WEBP"), ("a.jp2", "JPEG2000"), ("a.j2k", "JPEG2000"), ("a.pgm", "PPM"),
        ("a.gif", "GIF"), ("a.jfif", "JPEG"), ("a.tif", "PNG"), ("a.png", "TIFF"),
        ("a.jpg", "PNG"), ("a.bmp", "WEBP"),
    ],
)  # fmt: skip
def test_the_content_tells_the_format(tmp_path, name, kind):
    values = np.full((8, 9), 77, np.uint8)
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.fromarray(values).save(tmp_path / name, format=kind, **options)
    assert files.kind_of(tmp_path / name) == "raster"
    got = raster.load(tmp_path / name, FrameRecipe()).pixels[0]
    np.testing.assert_allclose(got if got.ndim == 2 else got[..., 0], values, atol=1)


def test_of_an_animation_the_first_picture_is_read_and_it_is_said(tmp_path):
    one, two = (Image.fromarray(np.full((4, 4), v, np.uint8)) for v in (10, 200))
    one.save(tmp_path / "a.gif", save_all=True, append_images=[two])
    picture = raster.load(tmp_path / "a.gif", FrameRecipe())
    assert picture.pixels.shape == (1, 4, 4)
    assert (picture.pixels == 10).all()
    assert "an animation of 2 pictures" in picture.notes[0]
