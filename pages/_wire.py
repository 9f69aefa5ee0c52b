"""Packs messages for the browser, and checks messages from the browser against the types of their fields."""

import types
from collections.abc import Mapping
from dataclasses import MISSING, asdict, fields, is_dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any, TypeVar, Union, get_args, get_origin, get_type_hints

from dgm_engine.errors import InputError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

M = TypeVar("M")
RELOAD_REMEDY = "reload the page; if that does not help, restart the app, so that both are of one version"
_ACCEPTED_TYPES: dict[Any, Any] = {float: (int, float), list: (list, tuple), dict: Mapping}
"""What JSON and Streamlit make of a type, if that is not the type itself."""


def packed(message: "DataclassInstance") -> dict[str, Any]:
    """A message as the data of a component."""
    return asdict(message)


def sent(kind: type[M], name: str, state: Mapping[str, Any]) -> Any:  # noqa: ANN401 - the type of that field
    """What a component sent under the name of a field of `kind`, one of `_messages.FROM_BROWSER`.

    Raises:
        InputError: it is not of the field's type.
    """
    return _read(get_type_hints(kind, include_extras=True)[name], state.get(name), name)


def read(kind: type[M], value: object) -> M:
    """The message that the browser sent.

    Raises:
        InputError: a field is missing, or is not of its type.
    """
    return _read(kind, value, kind.__name__.lower())


def _read(kind: Any, value: object, where: str) -> Any:  # noqa: ANN401 - any type that a field may have
    origin, parts = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return _read(dict, value, where)
    if origin is tuple:
        return tuple(_read(parts[0], part, where) for part in _read(list, value, where))
    if origin in (Union, types.UnionType):
        return None if value is None else _read(next(part for part in parts if part is not type(None)), value, where)
    if is_dataclass(kind):
        return _read_fields(kind, _read(dict, value, where), where)
    if issubclass(kind, StrEnum):
        if value not in list(kind):
            raise _unexpected(where, value, f"one of {', '.join(kind)}")
        return kind(value)
    expected = _ACCEPTED_TYPES.get(kind, kind)
    if not isinstance(value, expected) or (isinstance(value, bool) and kind is not bool):
        raise _unexpected(where, value, f"a value of type {kind.__name__}")
    return value


def _read_fields(kind: Any, value: Mapping[str, object], where: str) -> Any:  # noqa: ANN401 - any message
    hints = get_type_hints(kind, include_extras=True)
    given: dict[str, Any] = {}
    for part in fields(kind):
        if part.name in value:
            given[part.name] = _read(hints[part.name], value[part.name], f"{where}.{part.name}")
        elif part.default is MISSING:
            raise _unexpected(where, sorted(value), f"a field “{part.name}”")
    return kind(**given)


def _unexpected(where: str, got: object, expected: str) -> InputError:
    return InputError(f"the browser sent {got!r:.80} as “{where}”, where the app expects {expected}; {RELOAD_REMEDY}")
