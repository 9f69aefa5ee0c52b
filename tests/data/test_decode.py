"""One way from a file's bytes to pixels."""

import io
import os

import numpy as np
import pytest
from PIL import Image, ImageOps

from dgm_engine.data import decode as decoding
from dgm_engine.data.catalogue import parallel_map
from dgm_engine.data.decode import decode
from dgm_engine.data.image_readers import format_names
from dgm_engine.errors import InputError


def encoded(image: Image.Image, kind: str = "PNG", **options) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def picture(size=(40, 30)) -> Image.Image:
    """A smooth colour picture, upper left dark."""
    width, height = size
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, (across + down) / 2], axis=-1).astype(np.uint8))


@pytest.mark.parametrize("kind", format_names())
def test_every_format_keeps_its_pixels(kind):
    lossy = {"JPEG": 12, "GIF": 60}  # GIF: a palette of 256 colours
    pixels = decode(encoded(picture(), kind, **({"lossless": True} if kind == "WEBP" else {})), (30, 40), 3)
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.astype(int) - np.asarray(picture()).astype(int)).max() <= lossy.get(kind, 0)


def test_an_ordinary_image_is_what_three_lines_of_pillow_make_of_it(tmp_path):
    path = tmp_path / "a.jpg"
    picture((200, 123)).save(path)
    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")
    by_hand = np.asarray(image.resize((24, 16), Image.Resampling.BILINEAR))
    assert (decode(path, (16, 24), 3) == by_hand).all()


def test_one_channel_is_luma():
    red = Image.new("RGB", (4, 4), (255, 0, 0))
    assert decode(encoded(red), (2, 2), 1).tolist() == [[[76], [76]], [[76], [76]]]


def test_the_orientation_of_a_camera_is_applied():
    image = Image.new("L", (20, 10))
    image.paste(255, (0, 0, 10, 10))  # left half white
    exif = Image.Exif()
    exif[0x0112] = 6  # turned clockwise to be upright: the left edge goes to the top
    upright = decode(encoded(image, "PNG", exif=exif), (20, 10), 1)
    assert (upright[:10] == 255).all()
    assert (upright[10:] == 0).all()


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparent_parts_are_white(mode):
    image = Image.new("RGBA", (8, 4), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 4))
    pixels = decode(encoded(image.convert(mode)), (4, 8), 3)
    assert (pixels[:, :4] == 255).all()
    assert (pixels[:, 4:] == 0).all()


@pytest.mark.parametrize(
    ("values", "kind"),
    [
        (np.array([[1000, 3000], [2000, 1000]], np.uint16), "PNG"),
        (np.array([[1000, 3000], [2000, 1000]], np.uint16), "TIFF"),
        (np.array([[-1.0, 1.0], [0.0, -1.0]], np.float32), "TIFF"),
        (np.array([[-7, 248], [121, -7]], np.int32), "TIFF"),
    ],
)
def test_deep_images_are_stretched_from_lowest_to_highest(values, kind):
    pixels = decode(encoded(Image.fromarray(values), kind), (2, 2), 1)
    assert pixels[..., 0].tolist() == [[0, 255], [128, 0]]


def test_a_deep_image_of_one_value_is_black():
    flat = Image.fromarray(np.full((3, 3), 500, np.uint16))
    assert not decode(encoded(flat), (3, 3), 1).any()


def test_the_first_frame_counts():
    frames = [Image.new("L", (4, 4), value) for value in (10, 200)]
    for kind in ("GIF", "TIFF"):
        pixels = decode(encoded(frames[0], kind, save_all=True, append_images=frames[1:]), (4, 4), 1)
        assert (pixels == 10).all()


@pytest.mark.parametrize("kind", format_names())
def test_a_truncated_file_says_so(kind):
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    data = encoded(noise, kind)
    with pytest.raises(InputError, match=r"damaged|not a readable image"):
        decode(data[: len(data) // 2], (8, 8), 3)


def test_what_is_no_image_says_so():
    with pytest.raises(InputError, match="empty"):
        decode(b"", (8, 8), 3)
    with pytest.raises(InputError, match="not a readable image; expected one of PNG, JPEG"):
        decode(b"a letter to my aunt", (8, 8), 3)
    with pytest.raises(InputError, match="not finite"):
        decode(encoded(Image.fromarray(np.array([[np.nan, 1]], np.float32)), "TIFF"), (8, 8), 3)


def test_kinds_outside_the_list_are_refused():
    with pytest.raises(InputError, match="not a readable image"):
        decode(encoded(picture(), "PPM"), (8, 8), 3)


def test_too_many_pixels_are_refused(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)
    for size in ((40, 30), (100, 100)):  # Pillow warns of the first and refuses the second
        with pytest.raises(InputError, match="too large"):
            decode(encoded(picture(size)), (8, 8), 3)
    reasons = dict(parallel_map(lambda side: outcome(encoded(picture((side, 30)))), [30, 40]))
    assert reasons == {30: "read", 40: "too large: 0 megapixels; at most 0 are read"}  # with Pillow's warning silenced


def outcome(data: bytes) -> str:
    try:
        decode(data, (8, 8), 3)
    except InputError as error:
        return str(error)
    return "read"


def test_files_that_cannot_be_read_say_why(tmp_path):
    with pytest.raises(InputError, match="disappeared"):
        decode(tmp_path / "gone.png", (8, 8), 3)
    path = tmp_path / "a.png"
    path.write_bytes(encoded(picture()))
    os.truncate(path, decoding.MAX_FILE_BYTES + 1)  # which takes no room on the disk
    with pytest.raises(InputError, match="too large"):
        decode(path, (8, 8), 3)


def test_reasons_are_one_line():
    data = encoded(picture(), "TIFF", compression="tiff_lzw")
    for cut in range(10, len(data), len(data) // 20):
        assert "\n" not in outcome(data[:cut])
