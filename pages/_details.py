"""Everything that is known about one image."""

import streamlit as st

from dgm_engine.services import exploring
from dgm_engine.services.projects import Project
from pages._text import plain

LARGE = 280


def picture(project: Project, row: int, size: int = LARGE) -> None:
    """One image, large."""
    st.image(exploring.thumbnails(project, [row], size)[0], width=size)


def probabilities(details: exploring.ItemDetails, most: int = 5) -> None:
    """How sure the model is of the likeliest classes, as bars."""
    for name, share in details.posterior[:most]:
        st.progress(min(max(share, 0.0), 1.0), text=f"{plain(name) or 'none of the named classes'}: {share:.0%}")


def show(project: Project, item: str) -> None:
    """A card with the image, the model's opinion and what people said."""
    details = exploring.item_details(project, item)
    with st.container(border=True):
        image, text = st.columns([2, 3])
        with image:
            picture(project, details.row, 160)
        with text:
            st.markdown(f"**{plain(item)}**")
            probabilities(details, most=3)
        for event in details.history[-5:]:
            when = event.time[:16].replace("T", " ")
            st.caption(f"{when} {plain(event.annotator)}: {event.kind} {plain(event.class_name or '')}")
