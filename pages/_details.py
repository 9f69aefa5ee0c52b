"""Everything that is known about one image."""

import html

import streamlit as st

from dgm_engine.errors import DgmError
from dgm_engine.labels.schema import Event, Kind
from dgm_engine.services import neighbours, thumbnails
from dgm_engine.services.details import ItemDetails, item_details
from dgm_engine.services.palette import class_colour
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.viewing import view
from pages._pictures import BY_SNAPSHOT, data_uri

IMAGE_PIXELS = 160
NEIGHBOUR_PIXELS = 44
_MAX_BARS = 6
_MAX_EVENTS = 6
_N_NEIGHBOURS = 8
_EVENT_WORDS = {
    Kind.LABEL: "said {name}",
    Kind.REJECT: "said not {name}",
    Kind.NONE_OF_NAMED: "said none of the named",
    Kind.CLEAR: "cleared it",
    Kind.SKIP: "skipped it",
    Kind.UNDO: "undid that",
    Kind.REDO: "did it again",
}


def show(seen: Snapshot, item: str, *, picture: bool = True) -> None:
    """Draws all that the model and people say of an image; with `picture`, also the image itself, large."""
    details = item_details(seen.project, item, seen)
    large = ""
    if picture:
        source = data_uri(thumbnails.thumbnails(seen.project, [details.row], IMAGE_PIXELS)[0])
        large = f'<img src="{source}" width="{IMAGE_PIXELS}" height="{IMAGE_PIXELS}" alt="{html.escape(item)}">'
    where = "not in the results" if details.component is None else f"cluster {details.component}"
    st.html(f"""
    <div class="details">
      <div class="top">{large}<div><b>{html.escape(item)}</b><div class="hush">{where}</div>
        {_redrawn(seen, item)}</div></div>
      {_bars(details, seen)}
      {_nearest(seen, item)}
      {_history(details.history)}
    </div>""")


def _redrawn(seen: Snapshot, item: str) -> str:
    """The image as the model redraws it from its z, as HTML; "" if the run left no model that can."""
    try:
        source = _reconstruction(seen, item)
    except DgmError:
        return ""
    return f"""<div class="redrawn"><img src="{source}" width="64" height="64" alt="As the model redraws it">
      <span class="hush">as the model<br>redraws it</span></div>"""


@st.cache_data(max_entries=256, show_spinner=False, hash_funcs=BY_SNAPSHOT)
def _reconstruction(seen: Snapshot, item: str) -> str:
    return data_uri(thumbnails.reconstruction(seen, item, 64))


def _bars(details: ItemDetails, seen: Snapshot) -> str:
    """How sure the model is of the likeliest classes, as HTML."""
    lines = "".join(
        f'<span>{html.escape(name) or "none of the named"}</span><span class="bar"><i style="width:{share:.1%};'
        f'background:{class_colour(name, view(seen).colours)}"></i></span><span>{share:.0%}</span>'
        for name, share in details.posterior[:_MAX_BARS]
    )
    return f'<h4>What the model thinks</h4><div class="bars">{lines}</div>' if lines else ""


def _nearest(seen: Snapshot, item: str) -> str:
    """The images most like it, framed in the colours of the classes that they count as, as HTML."""
    found = neighbours.nearest(seen, item, _N_NEIGHBOURS)
    if not found:
        return ""
    pictures = thumbnails.thumbnails(seen.project, [neighbour.row for neighbour in found], NEIGHBOUR_PIXELS)
    tiles = "".join(
        f'<img src="{data_uri(png)}" width="{NEIGHBOUR_PIXELS}" height="{NEIGHBOUR_PIXELS}" '
        f'alt="{html.escape(of.item)}"'
        f' title="{html.escape(of.item)}: {html.escape(of.class_name or "no class yet")}"'
        f' style="border-color:{class_colour(of.class_name, view(seen).colours)}">'
        for png, of in zip(pictures, found, strict=True)
    )
    return f'<h4>Most like it</h4><div class="like">{tiles}</div>'


def _history(events: tuple[Event, ...]) -> str:
    """What people said of the image, newest first, as HTML."""
    lines = "".join(
        f"<li>{html.escape(e.annotator)} {html.escape(_EVENT_WORDS[e.kind].format(name=e.class_name))}"
        f' <span class="hush">{e.time[:16].replace("T", " ")}</span></li>'
        for e in reversed(events[-_MAX_EVENTS:])
    )
    return f"<h4>What people said</h4><ul>{lines}</ul>" if lines else ""
