"""The one tree of errors.

``str(error)`` is a single line: what was got, what was expected, and the remedy. Screens show it as it stands, the
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


def in_words(error: DgmError | OSError) -> str:
    """One line for the person: our own errors as they stand; of the system's, what it refused and the remedy."""
    if isinstance(error, DgmError):
        return str(error)
    where = f"{error.filename}: " if error.filename else ""
    return f"{where}{error.strerror or error}; see that there is room on the disk and leave to write, and try again"
