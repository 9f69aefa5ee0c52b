"""How long work tells its caller how far it is."""

from collections.abc import Callable

Progress = Callable[[float, str], None]
"""Called with the share done, 0 to 1, and what is being done, in the person's words."""


def silent(_share: float, _doing: str) -> None:
    """Progress that nobody follows."""
