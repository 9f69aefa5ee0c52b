"""``docs/files.md``, made from the registries: ``python -m dgm_engine.services.file_kinds >docs/files.md``."""

import sys
from collections.abc import Iterable, Sequence

from dgm_engine.data.builtin import BUILT_IN
from dgm_engine.data.image_readers import IMAGE_READERS, UNREAD_SUFFIXES, image_readers, one_of
from dgm_engine.data.readers import READERS
from dgm_engine.labels.formats import LABEL_FORMATS

_PAGE_TEMPLATE = """# Files

`python -m dgm_engine.services.file_kinds >docs/files.md` writes this page from the registries.

## Sources of images

A project is made from {built_in}, from a folder of images, or from a file of one of these kinds.

{piles}

Images in folders and zips are found by the ending of their name, and read by their content. Files with the endings
{unread} are reported as unreadable; files with any other ending are passed over.

{images}

## Label files

{labels}

The module `dgm_engine.labels.interchange` describes the columns, and the module of each format what is special in it.

## To add one

| to add | write a module with | list it in |
|---|---|---|
| a format of one image per file | an `ImageReader` (`dgm_engine/data/reader.py`) | `dgm_engine/data/image_readers.py` |
| a kind of file that holds a pile | a `PileReader` (`dgm_engine/data/reader.py`) | `dgm_engine/data/readers.py` |
| a format of label files | a `LabelFormat` (`dgm_engine/labels/interchange.py`) | `dgm_engine/labels/formats.py` |

Command-line help, upload boxes, buttons and error messages follow; [extending.md](extending.md) has examples. Then
write this page again; a test compares it.
"""


def page() -> str:
    """The page as Markdown."""
    piles = ((_code(reader.suffixes), reader.holds) for reader in dict.fromkeys(READERS.values()))
    images = ((reader.name, _code(reader.suffixes)) for reader in image_readers())
    labels = ((f.title, _code([f.suffix]), f.media_type, f"`{f.layout}`") for f in LABEL_FORMATS.values())
    return _PAGE_TEMPLATE.format(
        built_in=one_of(f"`{name}`" for name in BUILT_IN),
        piles=_table(("ending", "holds"), piles),
        unread=one_of(f"`{suffix}`" for suffix in sorted(UNREAD_SUFFIXES - IMAGE_READERS.keys())),
        images=_table(("format", "endings"), images),
        labels=_table(("format", "ending", "media type", "what a person writes into it"), labels),
    )


def _code(suffixes: Iterable[str]) -> str:
    return ", ".join(f"`{suffix}`" for suffix in suffixes)


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


if __name__ == "__main__":
    sys.stdout.write(page())
