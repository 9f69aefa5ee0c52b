"""A kind of pile, of image and of label file that the program does not know by itself."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from dgm_engine.data.arrays import ArrayFeatures
from dgm_engine.data.catalogue import Catalogue, no_split
from dgm_engine.data.reader import ImageReader, PileReader
from dgm_engine.labels.interchange import LabelFormat, row_of, table_of


@contextmanager
def open_toy(path: Path, _value_range: object = None) -> Iterator[Catalogue]:
    """A pile of feature vectors as JSON."""
    x = np.array(json.loads(path.read_text()), dtype=np.float32)
    items = [f"toy/{row}" for row in range(len(x))]
    yield Catalogue(items, np.full(len(x), -1, np.int32), (), no_split(len(x)), ArrayFeatures(x))


def read_toy(data: bytes) -> Image.Image:
    return Image.new("L", (4, 4), data[-1])


TOY_PILE = PileReader((".toys",), "toy vectors", open_toy)
TOY_IMAGE = ImageReader("TOY", (".toy",), re.compile(b"TOY"), read_toy)
TOY_LABELS = LabelFormat(
    "Toy labels",
    ".toyl",
    "text/x-toy",
    "an item and a class",
    lambda path: [
        row_of(number, dict(zip(("item", "class"), line.split(maxsplit=1), strict=True)))
        for number, line in enumerate(path.read_text().splitlines(), start=1)
    ],
    lambda path, content: path.write_text("".join(f"{r['item']} {r['class']}\n" for r in table_of(content)[1])),
)
