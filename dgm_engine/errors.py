"""The one tree of errors.

``str(error)`` is a single line: what was got, what was expected, and the remedy. Screens show it unchanged, the
command line prints it on stderr and exits with 2.
"""


class DgmError(Exception):
    """Anything the engine reports to a person."""


class InputError(DgmError, ValueError):
    """A file, row, option or value from the person that cannot be used; callers from Python expect a ValueError."""


class NotFoundError(InputError):
    """A project, item, component, run or class that does not exist."""


class StateError(DgmError):
    """Something was asked for before it can be answered, or while something else is under way."""


class ConflictError(DgmError):
    """Somebody else changed the same thing in the meantime."""


class CorruptError(DgmError):
    """One of our own files is damaged or of an unknown version."""


class JobError(DgmError):
    """A child process failed; the message carries its last words."""


def in_words(error: Exception) -> str:
    """One line for the person: our own errors as they stand; of the system's, what it refused and the remedy."""
    if isinstance(error, DgmError):
        return " ".join(str(error).split())
    if isinstance(error, OSError):
        where = f"{error.filename}: " if error.filename else ""
        return f"{where}{error.strerror or error}; see that there is room on the disk and leave to write, and try again"
    if isinstance(error, MemoryError):
        return "there is not enough memory; close other programs, or take fewer or smaller images, and try again"
    return f"{type(error).__name__}: {error}".splitlines()[0]  # a fault of ours, which its name helps to find
