"""The two kinds of file readers, and what a new one must define.

`dgm_engine.data.image_readers` registers the readers of files with one image each, in folders and zips;
`dgm_engine.data.readers` those of files that hold a whole pile.
"""

import re
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from dgm_engine.data.catalogue import Catalogue
from dgm_engine.data.pool import ValueRange


@dataclass(frozen=True)
class ImageReader:
    """Reads files that hold one image each.

    Attributes:
        name: the name of the format in messages, such as "PNG".
        suffixes: the endings of such files in folders and zips, in lower case with the dot.
        signature: matches the first bytes of such a file. The content decides how a file is read, not its name,
            because many files named .jpg are no JPEG.
        read: returns the image in the bytes of a file, in any mode of Pillow. It need not decode it yet: the caller
            checks the number of pixels first. Any error that it raises is reported as the reason why the file cannot
            be used.
    """

    name: str
    suffixes: tuple[str, ...]
    signature: re.Pattern[bytes]
    read: Callable[[bytes], Image.Image]


@dataclass(frozen=True)
class PileReader:
    """Reads files that hold many images or feature vectors.

    Attributes:
        suffixes: the endings by which such files are recognised, in lower case with the dot.
        holds: their contents, for sentences such as "a .zip of images".
        open: returns the catalogue of a file, which can read until the context is left. The second argument is the
            values of black and white; with None the reader finds them. Readers of bytes may ignore it.
    """

    suffixes: tuple[str, ...]
    holds: str
    open: Callable[[Path, ValueRange | None], AbstractContextManager[Catalogue]]

    @property
    def title(self) -> str:
        """The kind of file in a sentence: "a .zip of images"."""
        return f"a {'/'.join(self.suffixes)} of {self.holds}"
