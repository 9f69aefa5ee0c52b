"""Arrays of images or feature vectors: .npy and .npz files, and the built-in sets."""

import shutil
import tempfile
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from PIL import Image

from dgm_engine.data.catalogue import Catalogue, Shape, encode_classes, no_split
from dgm_engine.data.decode import fit, flatten, is_grey
from dgm_engine.data.files import open_archive
from dgm_engine.data.pool import ValueRange
from dgm_engine.data.reader import PileReader
from dgm_engine.errors import InputError
from dgm_engine.npy import map_array

VALUE_KEYS = ("x", "images", "features")
LABEL_KEYS = ("y", "labels")
BYTE_RANGE: ValueRange = (0.0, 255.0)

_ROWS_PER_CHUNK = 1024  # few enough for a copy of them to fit in memory


class ArrayImages:
    """Images as an array, (N, H, W, C) numbers with C 1, 3 or 4 (alpha), scaled from ``value_range`` to 0..255."""

    def __init__(self, x: np.ndarray, value_range: ValueRange) -> None:
        self._x = x
        self._range = value_range

    def look(self, row: int) -> Shape:
        """See `Content.look`."""
        image = self._image(self._pixels(row))
        return image.height, image.width, 1 if is_grey(image) else 3

    def read(self, row: int, shape: Shape) -> np.ndarray:
        """See `Content.read`."""
        pixels = self._pixels(row)
        return pixels if pixels.shape == shape else fit(self._image(pixels), shape)

    def _pixels(self, row: int) -> np.ndarray:
        """(H, W, C) uint8."""
        values = self._x[row]
        if values.dtype == np.uint8 and self._range == BYTE_RANGE:
            return np.ascontiguousarray(values)
        if not np.isfinite(values).all():
            raise InputError("holds values that are not finite numbers")
        low, high = self._range
        scaled = (values.astype(np.float64) - low) * (255 / (high - low))
        return np.rint(scaled.clip(0, 255)).astype(np.uint8)

    @staticmethod
    def _image(pixels: np.ndarray) -> Image.Image:
        return flatten(Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels))


class ArrayFeatures:
    """Feature vectors, (N, D) numbers."""

    def __init__(self, x: np.ndarray) -> None:
        self._x = x

    def look(self, row: int) -> Shape:
        """See `Content.look`."""
        return self._x.shape[1:]

    def read(self, row: int, shape: Shape) -> np.ndarray:
        """See `Content.read`."""
        if shape != self._x.shape[1:]:
            raise InputError(f"has {self._x.shape[1]} features; expected {shape}")
        with np.errstate(over="ignore", invalid="ignore"):
            values = self._x[row].astype(np.float32)
        if not np.isfinite(values).all():
            raise InputError("holds values that are not finite 32-bit numbers")
        return values


@contextmanager
def open_array_file(path: Path, value_range: ValueRange | None = None) -> Generator[Catalogue]:
    """The rows of a .npy or .npz file, with ids ``00000``, ``00001``, ...

    Images are (N, H, W) or (N, H, W, C) with C 1, 3 or 4 (or (N, C, H, W)); features are (N, D). A .npz file names them
    ``x``, ``images`` or ``features``, or holds only them. Its ``y`` or ``labels``, (N,) whole numbers or strings, are
    the classes; a negative number or an empty string is unknown.

    Args:
        path: the file.
        value_range: the values of black and white, always 0..255 for bytes; None takes 0..1 for floats within it, and
            otherwise the lowest value (or 0) and the highest.

    Raises:
        InputError: the file cannot be read without unpickling, or has no such arrays.
    """
    with tempfile.TemporaryDirectory(prefix="dgm-") as folder:
        arrays = _load(path, Path(folder))
        label_key = next((key for key in LABEL_KEYS if key in arrays), None)
        x = _select_values(path, arrays, label_key)
        names = _label_names(path, arrays[label_key], len(x)) if label_key else [""] * len(x)
        truth, classes = encode_classes(names)
        width = max(5, len(str(len(x) - 1)))
        items = [f"{row:0{width}d}" for row in range(len(x))]
        if x.ndim == 2:
            yield Catalogue(items, truth, classes, no_split(len(x)), ArrayFeatures(x))
            return
        images = _channels_last(path, x)
        used = find_range(images) if value_range is None or images.dtype == np.uint8 else value_range
        content = ArrayImages(images, used)
        yield Catalogue(items, truth, classes, no_split(len(x)), content, value_range=used)


ARRAYS = PileReader((".npz", ".npy"), "images or feature vectors", open_array_file)


def find_range(x: np.ndarray) -> ValueRange:
    """The values of black and white in images (N, ...), chosen as `open_array_file` says."""
    if x.dtype == np.uint8:
        return BYTE_RANGE
    low, high = 0.0, 0.0
    for start in range(0, len(x), _ROWS_PER_CHUNK):
        chunk = x[start : start + _ROWS_PER_CHUNK]
        finite = chunk[np.isfinite(chunk)]
        low, high = min(low, float(finite.min(initial=low))), max(high, float(finite.max(initial=high)))
    unit = x.dtype.kind in "bf" and low == 0 and high <= 1
    return (low, 1.0 if unit or high == low else high)


def _load(path: Path, folder: Path) -> dict[str, np.ndarray]:
    """The arrays of a file by name, memory-mapped; members of an .npz are unpacked into ``folder`` first."""
    try:
        if path.suffix.lower() == ".npy":
            return {"x": map_array(path)}
        arrays: dict[str, np.ndarray] = {}
        with open_archive(path) as archive:
            for i, info in enumerate(archive.infolist()):
                target = folder / f"{i}.npy"
                with archive.open(info) as member, target.open("wb") as file:
                    shutil.copyfileobj(member, file)
                arrays[info.filename.removesuffix(".npy")] = map_array(target)
        return arrays
    except InputError:
        raise
    except Exception as error:  # damaged members, pickled objects, a full disk: whatever numpy and zipfile say
        raise InputError(
            f"{path} cannot be read ({error}); save plain numbers and strings with numpy.save or numpy.savez"
        ) from error


def _select_values(path: Path, arrays: dict[str, np.ndarray], label_key: str | None) -> np.ndarray:
    candidates = {key: x for key, x in arrays.items() if key != label_key}
    key = next((key for key in VALUE_KEYS if key in candidates), None)
    if key is None and len(candidates) != 1:
        names = ", ".join(arrays) or "nothing"
        raise InputError(f"{path} holds {names}; name the array of images or features x, and their classes y")
    x = candidates[key] if key else next(iter(candidates.values()))
    if x.ndim not in (2, 3, 4) or x.dtype.kind not in "buif" or 0 in x.shape:
        raise InputError(
            f"{path} holds {x.dtype} of shape {x.shape}; expected numbers of shape (N, H, W), (N, H, W, C) or (N, D)"
        )
    return x


def _channels_last(path: Path, x: np.ndarray) -> np.ndarray:
    """(N, H, W, C) with C 1, 3 or 4."""
    if x.ndim == 3:
        return x[..., None]
    for channels in ((1, 3), (4,)):  # an axis of 1 or 3 is surer to be the channels than one of 4
        if x.shape[3] in channels:
            return x
        if x.shape[1] in channels:
            return np.moveaxis(x, 1, 3)
    raise InputError(f"{path} holds images of shape {x.shape[1:]}; expected (H, W, C) with 1, 3 or 4 channels")


def _label_names(path: Path, y: np.ndarray, n: int) -> list[str]:
    """Labels as class names, "" for unknown ones."""
    labels: np.ndarray = np.asarray(y).reshape(-1)
    if labels.size != n:
        raise InputError(f"{path} holds {labels.size} labels for {n} items; expected one each")
    if labels.dtype.kind == "U":
        return labels.tolist()
    if labels.dtype.kind == "S":
        return np.strings.decode(labels, "utf-8", "replace").tolist()
    if labels.dtype.kind in "biu" or (labels.dtype.kind == "f" and not (labels[np.isfinite(labels)] % 1).any()):
        return [str(int(label)) if np.isfinite(label) and label >= 0 else "" for label in labels]
    raise InputError(f"{path} holds labels of type {labels.dtype}; expected whole numbers or strings")
