"""Arrays in .npy files, none of them pickled: what a pickle holds can run code when it is read."""

import io
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.lib.format import dtype_to_descr, write_array_header_1_0
from numpy.typing import DTypeLike, NDArray

from dgm_engine.errors import CorruptError
from dgm_engine.whole import write_atomic


def save_array(path: Path, array: NDArray[np.generic]) -> None:
    """Writes one .npy file, whole or not at all."""
    buffer = io.BytesIO()  # written to a real file, numpy would not say why the system refuses
    np.save(buffer, np.ascontiguousarray(array), allow_pickle=False)
    write_atomic(path, buffer.getvalue())


def load_array(path: Path, remedy: str = "train the run again") -> NDArray[Any]:
    """One .npy file of ours, memory-mapped.

    Args:
        path: the file.
        remedy: for the message, what helps where the file is lost.

    Raises:
        CorruptError: it is missing or damaged.
    """
    try:
        return map_array(path)
    except FileNotFoundError as error:
        raise CorruptError(f"{path} is missing; {remedy}") from error
    except (OSError, ValueError, EOFError) as error:
        raise CorruptError(f"{path} cannot be read ({error}); {remedy}") from error


def map_array(path: Path) -> NDArray[Any]:
    """Any .npy file, memory-mapped, with the errors of numpy and the system as they come."""
    return np.load(path, mmap_mode="r", allow_pickle=False)


def write_header(file: IO[bytes], dtype: DTypeLike, shape: tuple[int, ...]) -> None:
    """Begins a .npy file whose values, in C order, the caller writes after it.

    The header leaves room for a first axis that turns out longer: it can be written again at the end.
    """
    header = {"descr": dtype_to_descr(np.dtype(dtype)), "fortran_order": False, "shape": shape}
    write_array_header_1_0(file, header)
