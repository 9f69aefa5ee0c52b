"""What the map in the browser is sent: one buffer for positions and one for looks."""

import json
import struct
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from dgm_engine.services.map_look import Label, Legend, Look, Prototypes
from dgm_engine.services.mapping import Places


@dataclass(frozen=True)
class PlacesHeader:
    """What the browser reads before the positions: their name, and for how many points they are."""

    token: str
    n: int


@dataclass(frozen=True)
class LookHeader:
    """What the browser reads before the groups and flags of the points.

    Attributes:
        n: how many points there are.
        token: of their positions.
        order: of the points.
        look: name of this look.
        palette: "#rrggbb" for each group.
        legend: what they mean.
        labels: names, the largest cluster first.
        prototypes: their pictures.
    """

    n: int
    token: str
    order: str
    look: str
    palette: tuple[str, ...]
    legend: Legend
    labels: tuple[Label, ...]
    prototypes: Prototypes | None


def encoded_places(where: Places) -> bytes:
    """The positions for the browser: a message of token and n, then (n, 2) uint16 in drawing order."""
    return _message(PlacesHeader(where.token, len(where.order)), where.xy[where.order].astype("<u2"))


def encoded(where: Places, look: Look) -> bytes:
    """The look for the browser: a message of all but the arrays, then (n,) uint8 groups and flags in drawing order."""
    header = LookHeader(
        n=len(where.order),
        token=where.token,
        order=where.order_token,
        look=look.token,
        palette=look.palette,
        legend=look.legend,
        labels=look.labels,
        prototypes=look.prototypes,
    )
    return _message(header, look.group[where.order], look.flags[where.order])


def _message(header: PlacesHeader | LookHeader, *arrays: NDArray[np.generic]) -> bytes:
    """uint32 length of the header, the header in JSON, zeros up to a multiple of four, the arrays; little-endian."""
    text = json.dumps(asdict(header)).encode()
    padding = b"\0" * (-(4 + len(text)) % 4)
    return b"".join([struct.pack("<I", len(text)), text, padding, *(array.tobytes() for array in arrays)])
