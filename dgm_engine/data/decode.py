"""Decodes image files to pixels, in the same way for the pool, the screens and `predict`.

For an ordinary image this is, in Pillow's terms::

    image = ImageOps.exif_transpose(Image.open(path)).convert("RGB")  # "L" for one channel
    pixels = np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))

In addition, transparent images are laid over white; 16-bit, 32-bit and float images are stretched so that their lowest
value is black and their highest white; and only the first frame of animations and multi-page files is read.
"""

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from dgm_engine.data.image_readers import format_names, reader_of
from dgm_engine.errors import InputError

MAX_FILE_BYTES = 256 * 2**20
"""Larger image files are refused."""


def decode(source: Path | bytes, size: tuple[int, int], channels: int) -> np.ndarray:
    """An image file's pixels, (H, W, C) uint8.

    Args:
        source: the file, or its bytes.
        size: (H, W) in pixels.
        channels: C, 1 (grey) or 3 (RGB).

    Raises:
        InputError: the image cannot be read; the message says why, without the file's name.
    """
    return fit(open_image(source), (*size, channels))


def open_image(source: Path | bytes) -> Image.Image:
    """The whole image, upright and over white, in mode L or RGB.

    Raises:
        InputError: the image cannot be read; the message says why, without the file's name.
    """
    data = source if isinstance(source, bytes) else read_file(source)
    if not data:
        raise InputError("the file is empty")
    try:
        image = _open(data)
        _check_pixels(image.width * image.height)
        image.load()
        ImageOps.exif_transpose(image, in_place=True)
        return flatten(image)
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise InputError(f"too large: {error}") from error
    except UnidentifiedImageError as error:
        raise InputError(_not_readable()) from error
    except Exception as error:  # on a damaged file Pillow's readers raise errors of any type
        raise InputError(f"damaged: {' '.join(str(error).split()) or type(error).__name__}") from error


def _open(data: bytes) -> Image.Image:
    """The image behind the header of a file."""
    reader = reader_of(data)
    if reader is None:
        raise InputError(_not_readable())
    return reader.read(data)


def _not_readable() -> str:
    return f"not a readable image; expected one of {', '.join(format_names())}"


def read_file(path: Path) -> bytes:
    """The bytes of a regular file of at most `MAX_FILE_BYTES`.

    Raises:
        InputError: the image cannot be read; the message says why, without the file's name.
    """
    try:
        if not path.is_file():  # a pipe would wait for ever
            raise InputError("not a regular file, or it has disappeared")
        check_bytes(path.stat().st_size)
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror or error}") from error


def check_bytes(n: int) -> None:
    """Refuses files of more than `MAX_FILE_BYTES`."""
    if n > MAX_FILE_BYTES:
        raise InputError(f"too large: {n / 2**20:.0f} MB; at most {MAX_FILE_BYTES // 2**20} MB are read")


def flatten(image: Image.Image) -> Image.Image:
    """The image in mode L or RGB: 8 bits, transparent parts over white.

    Raises:
        InputError: a float image holds values that are not finite.
    """
    if image.mode[0] in "IF":  # I, I;16, I;16B, F
        return _stretch(np.asarray(image))
    if image.has_transparency_data:
        over = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), over).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def fit(image: Image.Image, shape: tuple[int, ...]) -> np.ndarray:
    """The pixels of an L or RGB image brought to ``shape``, (H, W, C) uint8."""
    height, width, channels = shape
    resized = image.convert("L" if channels == 1 else "RGB").resize((width, height), Image.Resampling.BILINEAR)
    return np.asarray(resized).reshape(shape)


def is_grey(image: Image.Image) -> bool:
    """Whether an L or RGB image has no colour in it."""
    if image.mode == "L":
        return True
    pixels = np.asarray(image)
    return bool((pixels == pixels[..., :1]).all())


def _stretch(values: np.ndarray) -> Image.Image:
    """(H, W) numbers as an 8-bit image, the lowest black and the highest white."""
    if not np.isfinite(values).all():
        raise InputError("holds values that are not finite numbers")
    low, high = float(values.min()), float(values.max())
    return Image.fromarray(np.rint((values - low) * (255 / max(high - low, 1e-30))).astype(np.uint8))


def _check_pixels(n: int) -> None:
    if Image.MAX_IMAGE_PIXELS is not None and n > Image.MAX_IMAGE_PIXELS:
        raise InputError(f"too large: {n / 1e6:.0f} megapixels; at most {Image.MAX_IMAGE_PIXELS / 1e6:.0f} are read")
