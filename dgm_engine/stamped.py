"""Caches of what is in files, under a stamp of the files that changes whenever somebody writes them.

Stamp and content are taken together: what somebody writes while the files are read is never kept under the stamp of
what was there before, which may come back when a file is restored from a copy with its times.
"""

from collections.abc import Callable, Hashable
from functools import lru_cache, wraps
from typing import TypeVar

from dgm_engine.errors import DgmError

_Subject = TypeVar("_Subject", bound=Hashable)
_Stamp = TypeVar("_Stamp", bound=Hashable)
_Content = TypeVar("_Content")


def kept_by_stamp(
    stamp: Callable[[_Subject], _Stamp], maxsize: int
) -> Callable[[Callable[[_Subject, _Stamp], _Content]], Callable[[_Subject], _Content]]:
    """Keeps what a function reads until the stamp changes; if that happens while it reads, it reads again.

    Args:
        stamp: of the files of a subject, now.
        maxsize: how many contents to keep, the last ones used.

    Returns:
        A decorator of functions of a subject and its stamp; what it makes of them is called with the subject alone, and
        returns and raises what the function does.
    """

    def decorator(read: Callable[[_Subject, _Stamp], _Content]) -> Callable[[_Subject], _Content]:
        @lru_cache(maxsize)
        def kept(subject: _Subject, before: _Stamp) -> _Content:
            try:
                found = read(subject, before)
            except (DgmError, OSError) as error:
                if stamp(subject) != before:
                    raise _ChangedError from error
                raise
            if stamp(subject) != before:
                raise _ChangedError
            return found

        @wraps(read)
        def current(subject: _Subject) -> _Content:
            while True:
                try:
                    return kept(subject, stamp(subject))
                except _ChangedError:
                    continue

        return current

    return decorator


class _ChangedError(Exception):
    """The files were written while they were read."""
