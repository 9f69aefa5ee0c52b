"""What the model imagines: typical images of the clusters, and the steps from one image to another."""

import html

import streamlit as st

from dgm_engine.services import figures, imagining, pictures
from dgm_engine.services.figure_files import SAMPLES_FILE, WALK_FILE
from dgm_engine.services.figures import Titled
from dgm_engine.services.imagining import Strip
from dgm_engine.services.palette import cluster_colour
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from pages._pictures import BY_SNAPSHOT, data_uri, strip
from pages._text import count, plain

_PROTOTYPE_PIXELS, _SAMPLE_PIXELS, _STEP_PIXELS = 64, 40, 72
_CARDS_IN_A_LINE = 3


def clusters(seen: Snapshot, form: str) -> None:
    """Draws the prototype of each cluster, and samples from the cluster."""
    del form
    st.caption(
        "What the model imagines when it thinks of a cluster: first its most typical image, then others, each from a "
        "draw of its own. If they are clear and alike, the cluster is one thing; if blurred or mixed, it may hold "
        "several.  \n"
        ":small[Decoded: the means of p(x|z,y) at the mean of p(z|y), and at samples of it.]"
    )
    strips, sheet, titled = _strips(seen)
    for begin in range(0, len(strips), _CARDS_IN_A_LINE):
        line = strips[begin : begin + _CARDS_IN_A_LINE]
        for column, one in zip(st.columns(_CARDS_IN_A_LINE, gap="small"), line, strict=False):
            column.html(_card(seen.project, one, titled))
    name = f"{seen.project.name}_run{seen.run.number}_{SAMPLES_FILE}"
    st.download_button("Save as PNG", sheet, name, "image/png", icon=":material/download:")


@st.cache_resource(max_entries=8, show_spinner="Imagining", hash_funcs=BY_SNAPSHOT)
def _strips(seen: Snapshot) -> tuple[tuple[Strip, ...], bytes, Titled]:
    found = imagining.strips(seen)
    return found, imagining.strip_sheet(seen.project, found), figures.titled(seen)


def _card(project: Project, one: Strip, titled: Titled) -> str:
    side = _PROTOTYPE_PIXELS
    prototype = pictures.items(project.pool, one.prototype[None], side)
    samples = pictures.items(project.pool, one.samples, _SAMPLE_PIXELS)
    sprite = data_uri(pictures.png(pictures.sheet(samples, len(samples), _SAMPLE_PIXELS)))
    colour = cluster_colour(one.component)
    title = html.escape(titled.clusters[one.component])
    return f"""
    <div class="cluster">
      <img class="prototype" src="{data_uri(pictures.png(prototype[0]))}" width="{side}" height="{side}"
        style="border-color:{colour}" alt="Prototype of cluster {one.component}">
      <div class="cluster-text">
        <div><b><span class="dot" style="background:{colour}"></span>{title}</b>
          <span class="hush">{count(one.size, "image")}</span></div>
        {strip(sprite, len(samples), _SAMPLE_PIXELS)}
      </div>
    </div>"""


def walk(seen: Snapshot, form: str) -> None:
    """Draws the images on the straight line in z between two images that the person chooses."""
    del form
    st.caption(
        "The model redraws one image, then step by step the other: what lies between two clusters, as it sees them.  \n"
        ":small[Decoded on the straight line between the means of q(z|x,y*). In M2 and ADGM the cluster y matters too: "
        "it changes half way.]"
    )
    typical = imagining.exemplars(seen)
    names = figures.titled(seen).clusters
    titles = {item: f"{item} (typical of cluster {names[k]})" for k, item in typical.items()}
    columns = st.columns(2)
    ends = tuple(
        columns[i].selectbox(
            ("From", "To")[i],
            titles,
            index=min(i, len(titles) - 1),
            format_func=lambda item: titles.get(item) or item,
            accept_new_options=True,
            key=f"walk_{seen.run.number}_{i}",
            help="One of these, or any image: type its id.",
        )
        for i in range(2)
    )
    if not ends[0] or not ends[1]:
        return
    between = (ends[0], ends[1])
    sheet = imagining.walk_sheet(seen.project, between, imagining.walk(seen, between), _STEP_PIXELS)
    st.image(sheet)
    st.caption(f"{plain(ends[0])} · {imagining.WALK_STEPS} steps between, the ends redrawn · {plain(ends[1])}")
    st.download_button(
        "Save as PNG",
        sheet,
        f"{seen.project.name}_run{seen.run.number}_{WALK_FILE}",
        "image/png",
        icon=":material/download:",
    )
