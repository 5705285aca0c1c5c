"""images/png.py: the fast reader gives what Pillow gives, or nothing."""

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, PngImagePlugin

from featprobe.core.errors import UnreadableItem
from featprobe.images import files, png
from featprobe.images.decoded_image import FrameRecipe

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (37, 23), np.uint8)
DEEP = RNG.integers(0, 65536, (37, 23), np.uint16)
RGB = RNG.integers(0, 256, (37, 23, 3), np.uint8)


def encoded(image, **options):
    out = io.BytesIO()
    (image if isinstance(image, Image.Image) else Image.fromarray(image)).save(
        out, "PNG", **options
    )
    return out.getvalue()


def chunk(kind, data=b""):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def with_chunk(data, kind, content):
    """A PNG with one more chunk, behind its header."""
    return data[:33] + chunk(kind, content) + data[33:]


def by_pillow(data):
    image = Image.open(io.BytesIO(data))
    return np.asarray(image)


@pytest.mark.parametrize("pixels", [GREY, DEEP, RGB, GREY[:1, :1]])
@pytest.mark.parametrize("level", [0, 1, 9])
def test_plain_grey_and_colour_are_read_fast_and_exactly(pixels, level):
    f = io.BytesIO(encoded(pixels, compress_level=level))
    f.seek(11)
    found = png.decode(f, pixels.shape[1::-1])
    assert found is not None
    assert (found.dtype, f.tell()) == (pixels.dtype, 11)
    np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("filtering", range(5))
def test_every_filter_and_interlacing(filtering, interlaced):
    data = written(RGB, filtering, interlaced)
    np.testing.assert_array_equal(by_pillow(data), RGB)
    np.testing.assert_array_equal(png.decode(io.BytesIO(data), (23, 37)), RGB)


def written(rgb, filtering, interlaced):
    """A PNG by the specification, all rows with one filter, perhaps in the passes of Adam7."""
    passes = [(0, 0, 1, 1)]
    if interlaced:
        passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2),
                  (0, 1, 2, 2), (1, 0, 2, 1)]  # fmt: skip
    rows = []
    for y, x, down, right in passes:
        part = rgb[y::down, x::right]
        above = np.zeros(part.shape[1] * 3, int) if part.size else None
        for row in part.reshape(len(part), -1).astype(int) if part.size else ():
            left = np.r_[0, 0, 0, row[:-3]]
            corner = np.r_[0, 0, 0, above[:-3]]
            rows.append(bytes([filtering]) + filtered(row, left, above, corner, filtering))
            above = row
    height, width = rgb.shape[:2]
    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, interlaced)
    body = chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return png.SIGNATURE + chunk(b"IHDR", head) + body + chunk(b"IEND")


def filtered(row, left, above, corner, filtering):
    guess = left + above - corner
    distance = [abs(guess - v) for v in (left, above, corner)]
    paeth = np.where(
        (distance[0] <= distance[1]) & (distance[0] <= distance[2]), left,
        np.where(distance[1] <= distance[2], above, corner),
    )  # fmt: skip
    minus = [0, left, above, (left + above) // 2, paeth][filtering]
    return ((row - minus) % 256).astype(np.uint8).tobytes()


def test_what_is_not_plain_is_left_to_pillow():
    palette = Image.fromarray(GREY % 4, "P")
    palette.putpalette([0, 0, 0, 255, 0, 0, 0, 255, 0, 9, 8, 7])
    exif = Image.Exif()
    exif[0x0112] = 6
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    frames = [Image.fromarray(GREY), Image.fromarray(GREY.T.copy().reshape(GREY.shape))]
    for data in (
        encoded(palette), encoded(GREY > 99), encoded(np.dstack([RGB, GREY])),
        encoded(Image.fromarray(RGB), transparency=(1, 2, 3)), encoded(GREY, transparency=7),
        encoded(GREY, exif=exif), encoded(GREY, pnginfo=text),
        with_chunk(encoded(GREY), b"tEXt", b"Raw profile type exif\0\nexif\n 2\n4949"),
        encoded(frames[0], save_all=True, append_images=frames[1:]),
        with_chunk(encoded(GREY), b"prVt", b"?"), b"", b"GIF89a", png.SIGNATURE,
    ):  # fmt: skip
        assert png.decode(io.BytesIO(data), (23, 37)) is None


def test_a_size_that_was_not_checked_is_never_allocated(tmp_path, capfd):
    huge = chunk(b"IHDR", struct.pack(">IIBBBBB", 2**31 - 1, 2**31 - 1, 8, 0, 0, 0, 0))
    good = encoded(GREY)
    text = chunk(b"tEXt", b"Comment\0" + bytes(60))
    for data in (
        good[:8] + huge + good[8:], good[:33] + huge + good[33:], good[:8] + text + good[8:],
    ):  # fmt: skip
        assert png.decode(io.BytesIO(data), (23, 37)) is None
    assert png.decode(io.BytesIO(good), (37, 23)) is None
    assert "panicked" not in capfd.readouterr().err


def test_remarks_do_not_slow_it_down():
    data = encoded(GREY, dpi=(300, 300))
    for kind, content in ((b"tEXt", b"Comment\0chest"), (b"tIME", bytes(7)), (b"gAMA", bytes(4))):
        data = with_chunk(data, kind, content)
    np.testing.assert_array_equal(png.decode(io.BytesIO(data), (23, 37)), GREY)
    np.testing.assert_array_equal(by_pillow(data), GREY)


def test_an_xmp_orientation_turns_as_through_pillow(tmp_path):
    text = PngImagePlugin.PngInfo()
    text.add_itxt("XML:com.adobe.xmp", '<x tiff:Orientation="6"/>')
    Image.fromarray(GREY).save(tmp_path / "x.png", pnginfo=text)
    picture = files.read([tmp_path / "x.png"], FrameRecipe())
    np.testing.assert_array_equal(picture.pixels[0], np.rot90(GREY, -1))
    assert files.count_frames([tmp_path / "x.png"], FrameRecipe()) == 1


def test_counting_frames_decodes_nothing(tmp_path, monkeypatch):
    def loaded(self):
        raise AssertionError("the pixels were decoded")

    Image.fromarray(GREY).save(tmp_path / "x.png")
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", loaded)
    assert files.count_frames([tmp_path / "x.png"], FrameRecipe()) == 1


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_damaged_files_are_read_as_pillow_reads_them_or_not_at_all(data):
    pixels = data.draw(st.sampled_from([GREY, DEEP, RGB]))
    good = bytearray(encoded(pixels))
    for _ in range(data.draw(st.integers(1, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    bad = bytes(good[: data.draw(st.integers(0, len(good)))]) if data.draw(st.booleans()) else good
    size = int.from_bytes(bad[16:20], "big"), int.from_bytes(bad[20:24], "big")
    if size[0] * size[1] > 1 << 24:  # refused before by its header
        return
    found = png.decode(io.BytesIO(bytes(bad)), size)
    if found is not None:
        np.testing.assert_array_equal(found, by_pillow(bytes(bad)))


def test_a_damaged_file_is_named_in_one_line(tmp_path):
    data = bytearray(encoded(GREY))
    data[len(data) // 2] ^= 1
    (tmp_path / "x.png").write_bytes(data)
    with pytest.raises(UnreadableItem, match=r"x\.png") as caught:
        files.read([tmp_path / "x.png"], FrameRecipe())
    assert "\n" not in str(caught.value)
