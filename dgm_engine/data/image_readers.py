"""The registry of formats with one image in each file. To add one, write its `ImageReader` and list it here."""

from collections.abc import Iterable

from dgm_engine.data import pillow_images
from dgm_engine.data.reader import ImageReader

IMAGE_READERS: dict[str, ImageReader] = {
    suffix: reader
    for reader in (
        pillow_images.PNG,
        pillow_images.JPEG,
        pillow_images.WEBP,
        pillow_images.BMP,
        pillow_images.TIFF,
        pillow_images.GIF,
    )
    for suffix in reader.suffixes
}
"""The readers by ending."""

UNREAD_SUFFIXES = frozenset((".heic", ".heif", ".avif", ".jp2", ".ppm", ".pgm", ".psd", ".svg", ".tga"))
"""Endings of images that no reader reads: such files are reported. Files with any other ending are ignored."""


def is_image_suffix(suffix: str) -> bool:
    """Whether files with this ending, in lower case, are images, readable or not."""
    return suffix in IMAGE_READERS or suffix in UNREAD_SUFFIXES


def reader_of(data: bytes) -> ImageReader | None:
    """The reader for the content of a file, or None if no reader recognises it."""
    return next((reader for reader in image_readers() if reader.signature.match(data)), None)


def image_readers() -> tuple[ImageReader, ...]:
    """Each reader once, in the order of the registry."""
    return tuple(dict.fromkeys(IMAGE_READERS.values()))


def format_names() -> tuple[str, ...]:
    """The names of the formats, for messages."""
    return tuple(reader.name for reader in image_readers())


def one_of(kinds: Iterable[str]) -> str:
    """The kinds as a list in a sentence: "a, b or c"."""
    *others, last = kinds
    return f"{', '.join(others)} or {last}" if others else last
