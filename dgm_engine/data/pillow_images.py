"""The kinds of image that Pillow reads."""

import io
import re

from PIL import Image

from dgm_engine.data.reader import ImageReader


def _pillow(name: str, suffixes: tuple[str, ...], signature: bytes) -> ImageReader:
    """A reader that leaves one format, under Pillow's name for it, to Pillow."""

    def read(data: bytes) -> Image.Image:
        return Image.open(io.BytesIO(data), formats=(name,))

    return ImageReader(name, suffixes, re.compile(signature, re.DOTALL), read)


PNG = _pillow("PNG", (".png",), rb"\x89PNG\r\n\x1a\n")
JPEG = _pillow("JPEG", (".jpg", ".jpeg", ".jpe", ".jfif"), rb"\xff\xd8\xff")
WEBP = _pillow("WEBP", (".webp",), rb"RIFF....WEBP")
BMP = _pillow("BMP", (".bmp",), rb"BM")
TIFF = _pillow("TIFF", (".tif", ".tiff"), rb"II[*+]\0|MM\0[*+]|II\0\*|MM\*\0")  # the last two are written by mistake
GIF = _pillow("GIF", (".gif",), rb"GIF8[79]a")
