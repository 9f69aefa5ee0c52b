"""Which key says which class. A class whose name is one digit or letter has that key; the others take free digits."""

from collections.abc import Sequence

RESERVED = {"accept": "A", "reject": "X", "none": "N", "skip": "S", "undo": "Backspace"}
_UNUSABLE = frozenset("cr")  # Streamlit keeps these for itself
_DIGITS = "1234567890"


def keys_for(classes: Sequence[str]) -> dict[str, str | None]:
    """For each class its key, or None where the keys have run out."""
    taken = {key.lower() for key in RESERVED.values()} | _UNUSABLE
    keys: dict[str, str | None] = dict.fromkeys(classes)
    for name in classes:
        if len(name) == 1 and name.isascii() and name.isalnum() and name.lower() not in taken:
            keys[name] = name.upper()
            taken.add(name.lower())
    free = iter([digit for digit in _DIGITS if digit not in taken])
    for name in classes:
        keys[name] = keys[name] or next(free, None)
    return keys
