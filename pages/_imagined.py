"""What the model imagines: typical images of the clusters, and the way from one image to another."""

import html

import streamlit as st

from dgm_engine.services import figures, pictures
from dgm_engine.services.figures import Strip, Titled
from dgm_engine.services.palette import cluster_colour
from dgm_engine.services.projects import Project
from pages._pictures import data_uri, strip
from pages._text import count, plain

_PROTOTYPE, _SAMPLE, _STEP = 64, 40, 72
_CARDS_IN_A_LINE = 3


def clusters(project: Project, run: int, form: str) -> None:
    """Each cluster's prototype and samples of it."""
    del form
    st.caption(
        "What the model imagines when it thinks of a cluster: first its most typical image, then others, each from a "
        "draw of its own. Clear and alike: the cluster is one thing. Blurred or mixed: it may hold several.  \n"
        ":small[Decoded: the means of p(x|z,y) at the mean of p(z|y), and at samples of it.]"
    )
    strips, sheet, titled = _strips(project, run, figures.stamp(project, run))
    for begin in range(0, len(strips), _CARDS_IN_A_LINE):
        line = strips[begin : begin + _CARDS_IN_A_LINE]
        for column, one in zip(st.columns(_CARDS_IN_A_LINE, gap="small"), line, strict=False):
            column.html(_card(project, one, titled))
    name = f"{project.name}_run{run}_prototypes_and_samples.png"
    st.download_button("Save as PNG", sheet, name, "image/png", icon=":material/download:")


@st.cache_resource(max_entries=8, show_spinner="Imagining")
def _strips(_project: Project, run: int, stamp: tuple[str, int, int]) -> tuple[tuple[Strip, ...], bytes, Titled]:
    found = figures.strips(_project, run)
    return found, figures.strip_sheet(_project, found), figures.titled(_project, run)


def _card(project: Project, one: Strip, titled: Titled) -> str:
    prototype = pictures.items(project.pool, one.prototype[None], _PROTOTYPE)
    samples = pictures.items(project.pool, one.samples, _SAMPLE)
    sprite = data_uri(pictures.png(pictures.sheet(samples, len(samples), _SAMPLE)))
    colour = cluster_colour(one.component)
    title = html.escape(titled.clusters[one.component])
    return f"""
    <div class="cluster">
      <img class="prototype" src="{data_uri(pictures.png(prototype[0]))}" width="{_PROTOTYPE}" height="{_PROTOTYPE}"
        style="border-color:{colour}" alt="Prototype of cluster {one.component}">
      <div class="cluster-text">
        <div><b><span class="dot" style="background:{colour}"></span>{title}</b>
          <span class="hush">{count(one.size, "image")}</span></div>
        {strip(sprite, len(samples), _SAMPLE)}
      </div>
    </div>"""


def walk(project: Project, run: int, form: str) -> None:
    """The way through z between two images that the person chooses."""
    del form
    st.caption(
        "The model redraws one image, then step by step the other: what lies between two clusters, as it sees them.  \n"
        ":small[Decoded on the straight line between the means of q(z|x,y*). In M2 and ADGM the cluster y matters too: "
        "it changes half way.]"
    )
    typical = figures.exemplars(project, run)
    names = figures.titled(project, run).clusters
    titles = {item: f"{item} (typical of cluster {names[k]})" for k, item in typical.items()}
    columns = st.columns(2)
    ends = tuple(
        columns[i].selectbox(
            ("From", "To")[i],
            titles,
            index=min(i, len(titles) - 1),
            format_func=lambda item: titles.get(item) or item,
            accept_new_options=True,
            key=f"walk_{run}_{i}",
            help="One of these, or any image: type its id.",
        )
        for i in range(2)
    )
    if not ends[0] or not ends[1]:
        return
    sheet = figures.walk_sheet(project, (ends[0], ends[1]), figures.walk(project, (ends[0], ends[1]), run), _STEP)
    st.image(sheet)
    st.caption(f"{plain(ends[0])} · {figures.WALK_STEPS} steps between, the ends redrawn · {plain(ends[1])}")
    st.download_button(
        "Save as PNG", sheet, f"{project.name}_run{run}_walk.png", "image/png", icon=":material/download:"
    )
