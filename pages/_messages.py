"""All messages that cross between Python and the browser; `assets/contract.js` is generated from this list.

A component's data travels to the browser as a message of `TO_BROWSER`. What a component sends back is a field of one of
`FROM_BROWSER`: its name is the name of the component's state or trigger, its type is the message. After a change to a
message or its docstring, run `python -m pages._contract` to write `assets/contract.js` again.
"""

from dataclasses import dataclass

from dgm_engine.services.map_look import Group, Label, Legend, Prototypes, Scale
from dgm_engine.services.map_wire import LookHeader, PlacesHeader
from pages._board_messages import BoardClass, BoardData, BoardState, BoardTriggers, Heard, Said, Sprite, Statement, Tile
from pages._map_messages import Enclosed, Live, MapState, MapTriggers, Opened, Pictures, PicturesState, Wanted


@dataclass(frozen=True)
class Focus:
    """When to give the focus back to a card.

    Attributes:
        labels: version of the labels; it changes when a cluster gets another name.
    """

    labels: int


TO_BROWSER = (
    *(BoardClass, Tile, Heard, BoardData, Sprite),
    *(PlacesHeader, Group, Scale, Legend, Label, Prototypes, LookHeader, Pictures, Live),
    Focus,
)
"""Messages to the browser and their parts, and the headers of the map's two buffers."""
FROM_BROWSER = (
    *(Statement, Said, BoardState, BoardTriggers),
    *(Wanted, PicturesState, Enclosed, Opened, MapState, MapTriggers),
)
"""Messages from the browser, their parts, and for each component the names under which it sends them."""
