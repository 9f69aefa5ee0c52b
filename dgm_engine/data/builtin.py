"""The built-in sets, with their train and test splits: digits, mnist and fashion-mnist."""

import os
import sys
from collections.abc import Generator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path

import numpy as np

from dgm_engine.data.arrays import BYTE_RANGE, ArrayImages
from dgm_engine.data.catalogue import Catalogue
from dgm_engine.data.compat import import_torchvision
from dgm_engine.errors import InputError

BUILT_IN = ("digits", "mnist", "fashion-mnist")
"""The sources that are known by name."""

N_DIGITS_TRAIN = 1437
"""Items of the train split of digits, its first ones: about 80 %."""
DATA_ROOT_VARIABLE = "DGM_DATA_ROOT"
"""The environment variable that names the folder of the downloaded sets."""
DOWNLOAD_ROOT = Path("~/.cache/dgm-studio")
"""The folder that sets are downloaded to if none is given."""

_TORCHVISION_NAMES = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
_NUMERALS = tuple("0123456789")


@contextmanager
def open_built_in(name: str, data_root: Path | None) -> Generator[Catalogue]:
    """One of `BUILT_IN`; ids ``train/00000``, ..., ``test/00000``, ... in the set's own order.

    Args:
        name: the name of the set.
        data_root: folder with ``MNIST/raw`` or ``FashionMNIST/raw``; None takes the environment variable DGM_DATA_ROOT,
            or else torchvision's own download. Not used by digits.

    Raises:
        InputError: the set is missing and cannot be downloaded.
    """
    train, test, classes = _digits() if name == "digits" else _torchvision(name, data_root)
    parts = {"train": train, "test": test}
    yield Catalogue(
        items=[f"{split}/{row:05d}" for split, (x, _) in parts.items() for row in range(len(x))],
        truth=np.concatenate([train[1], test[1]]).astype(np.int32),
        classes=classes,
        split=np.repeat(np.array(list(parts), dtype="U5"), [len(train[0]), len(test[0])]),
        content=ArrayImages(np.concatenate([train[0], test[0]])[..., None], BYTE_RANGE),
    )


_Part = tuple[np.ndarray, np.ndarray]  # images (N, H, W) uint8, classes (N,)


def _digits() -> tuple[_Part, _Part, tuple[str, ...]]:
    from sklearn.datasets import load_digits

    values, target = (np.asarray(part) for part in load_digits(return_X_y=True))
    x = np.rint(values.reshape(-1, 8, 8) * (255 / 16)).astype(np.uint8)
    n = N_DIGITS_TRAIN
    return (x[:n], target[:n]), (x[n:], target[n:]), _NUMERALS


def _torchvision(name: str, data_root: Path | None) -> tuple[_Part, _Part, tuple[str, ...]]:
    kind = getattr(import_torchvision().datasets, _TORCHVISION_NAMES[name])
    given = data_root or os.environ.get(DATA_ROOT_VARIABLE)
    root = Path(given or DOWNLOAD_ROOT).expanduser()
    try:
        with redirect_stdout(sys.stderr):  # torchvision prints its problems; stdout may carry JSON
            train, test = (kind(root, train=part, download=not given) for part in (True, False))
    except Exception as error:  # torchvision raises RuntimeError, URLError, OSError, ValueError, ...
        found = "is not in" if given else "could not be downloaded to"
        example = f"{_TORCHVISION_NAMES[name]}/raw/train-images-idx3-ubyte"
        raise InputError(
            f"{name} {found} {root} ({str(error).splitlines()[0] if str(error) else type(error).__name__}); give "
            f"--data-root or {DATA_ROOT_VARIABLE} a folder with {example} and so on"
        ) from error
    classes = _NUMERALS if name == "mnist" else tuple(kind.classes)
    return (train.data.numpy(), train.targets.numpy()), (test.data.numpy(), test.targets.numpy()), classes
