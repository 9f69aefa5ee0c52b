"""What a reader of files is: what a new one has to say of itself.

Its registry is `dgm_engine.data.image_readers` for files of one image each, which lie in folders and zips as well, and
`dgm_engine.data.readers` for files that hold a whole pile.
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
        name: of the format, as messages list it: "PNG".
        suffixes: the endings by which a folder or zip is searched for such files: lower case, with the dot.
        signature: matches the first bytes of such a file. The content decides how a file is read and not its name,
            because many a photo is called .jpg and is none.
        read: the image in the bytes of a file, in any mode of Pillow. It need not be decoded yet: the caller checks the
            number of its pixels first. Whatever it raises is reported as the reason why the file cannot be used.
    """

    name: str
    suffixes: tuple[str, ...]
    signature: re.Pattern[bytes]
    read: Callable[[bytes], Image.Image]


@dataclass(frozen=True)
class PileReader:
    """Reads files that hold many images or feature vectors.

    Attributes:
        suffixes: the endings of such files, by which they are recognised: lower case, with the dot.
        holds: what is in them, for sentences such as "a .zip of images".
        open: the catalogue of a file. It reads until the context is left. The second argument is the range of values
            that stand for black and white; None has the reader find it, and readers of bytes need not look at it.
    """

    suffixes: tuple[str, ...]
    holds: str
    open: Callable[[Path, ValueRange | None], AbstractContextManager[Catalogue]]

    @property
    def title(self) -> str:
        """The kind of file in a sentence: "a .zip of images"."""
        return f"a {'/'.join(self.suffixes)} of {self.holds}"
