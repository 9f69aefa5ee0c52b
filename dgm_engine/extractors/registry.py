"""The extractors by name. It imports no torch, because pages ask for names: a module is imported when it is used."""

from importlib import import_module

from dgm_engine.errors import InputError
from dgm_engine.extractors.base import Extractor

MODULES = {
    "hog": "dgm_engine.extractors.hog",
}
"""The modules by the name of their `EXTRACTOR`. To add an extractor, add a module and a line here."""


def known(name: str) -> str:
    """The name itself, after a check that there is an extractor of this name.

    Raises:
        InputError: there is no such extractor.
    """
    if name not in MODULES:
        raise InputError(f"there is no extractor {name!r}; there are {', '.join(MODULES)}")
    return name


def extractor(name: str) -> Extractor:
    """The extractor of that name.

    Raises:
        InputError: there is none.
    """
    return import_module(MODULES[known(name)]).EXTRACTOR
