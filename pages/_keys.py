"""The keys with which people label. A class whose name is one digit or letter has that key; others take free digits.

People learn the keys, so a class keeps its key when other classes come and go.
"""

from collections.abc import Iterable, Sequence
from enum import StrEnum


class Letter(StrEnum):
    """Letters that say something else than a class."""

    ACCEPT = "a"
    NOT = "x"
    NONE = "n"
    PICK = "s"


RESERVED_KEYS = frozenset[str](Letter)
_DIGITS = "1234567890"


def keys_for(classes: Sequence[str], ever: Iterable[str]) -> dict[str, str | None]:
    """For each class, in the order of the keyboard, its key, or None if the keys have run out.

    Args:
        classes: the classes in use now.
        ever: these and earlier classes, in order of first appearance. A class that is no longer in use keeps its key
            until other keys run out.
    """
    taken = set(RESERVED_KEYS)
    keys: dict[str, str] = {}
    for name in ever:
        own = name.lower() if len(name) == 1 and name.isascii() and name.isalnum() else ""
        key = own if own and own not in taken else next((digit for digit in _DIGITS if digit not in taken), None)
        if key is not None:
            keys[name] = key.upper()
            taken.add(key)
    left = iter([key for name, key in keys.items() if name not in classes])
    found = {name: keys.get(name) or next(left, None) for name in classes}
    return dict(sorted(found.items(), key=lambda pair: _place(pair[1])))


def _place(key: str | None) -> int:
    """The place of a key in the order: digits as on the keyboard, then letters, then None."""
    return _DIGITS.find(key) if key and key in _DIGITS else len(_DIGITS) + (key is None)
