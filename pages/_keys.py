"""Which key says which class. A class whose name is one digit or letter has that key; the others take free digits.

Fingers learn keys, so a class keeps its key when other classes come and go.
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
        classes: those that people speak of now.
        ever: these and earlier ones, in order of first appearance. Keys of classes that are gone are given away last.
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
    """Digits come as on the keyboard, then letters, then classes without a key."""
    return _DIGITS.find(key) if key and key in _DIGITS else len(_DIGITS) + (key is None)
