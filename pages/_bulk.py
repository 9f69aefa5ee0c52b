"""Lets a person say something about many images at once, and shows beforehand what that would change."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import streamlit as st
from numpy.typing import NDArray

from dgm_engine.labels.state import LabelState
from dgm_engine.services import labelling
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.services.standing import SURE_CONFIDENCE
from dgm_engine.services.viewing import view
from pages import _safely, _state
from pages._state import Key
from pages._text import plain


@dataclass(frozen=True)
class Change:
    """What labelling items as a class would do.

    Attributes:
        new: items that have no label yet.
        same: items that have this label already.
        moved: for each other class, how many items would leave it.
    """

    new: int
    same: int
    moved: dict[str, int]

    @property
    def text(self) -> str:
        """The change in words."""
        parts = [f"{self.new:,} get a first label"] if self.new else []
        parts += [f"{n:,} change from {plain(name)}" for name, n in self.moved.items()]
        parts += [f"{self.same:,} have it already"] if self.same else []
        return ", ".join(parts) or "nothing to change"


def preview(state: LabelState, items: Sequence[str], class_name: str) -> Change:
    """What labelling `items` as `class_name` would change."""
    now = Counter(state.positive.get(item) for item in items)
    new, same = now.pop(None, 0), now.pop(class_name, 0)
    return Change(new, same, {str(name): n for name, n in now.most_common()})


def actions(seen: Snapshot, place: NDArray[np.int64], key: str) -> None:
    """Draws buttons that say something of all images at positions (n,) of the view, and what a label would change."""
    project, items = seen.project, tuple(view(seen).items[place].tolist())
    with st.container(horizontal=True, vertical_alignment="center", gap="xsmall"):
        class_name = class_box(seen, Key.BULK_CLASS)
        st.button(
            f"Label all {len(items):,}",
            type="primary",
            icon=":material/label:",
            disabled=not class_name,
            key=f"{key}_label",
            on_click=_label,
            args=(project, items),
        )
        with st.popover("", icon=":material/more_horiz:", help="More actions for all of them"):
            st.button(
                f"Not {plain(class_name)}" if class_name else "Not this class",
                disabled=not class_name,
                help="Rules the class out; the images may still be of any other.",
                key=f"{key}_reject",
                on_click=_reject,
                args=(project, items, class_name),
            )
            st.button(
                "None of the named",
                help="The images belong to no class that has a name so far.",
                key=f"{key}_none",
                on_click=_none,
                args=(project, items),
            )
            st.button(
                "Clear labels",
                help="Forgets all that was said about these images.",
                key=f"{key}_clear",
                on_click=_clear,
                args=(project, items),
            )
    if class_name:
        change = preview(seen.labels, items, class_name)
        st.caption(f"As {plain(class_name)}: {change.text}. {sureness(seen, place)}")


def sureness(seen: Snapshot, place: NDArray[np.int64]) -> str:
    """How sure the model is of the images at positions (n,) of the view, in a sentence."""
    sure = int((view(seen).confidence[place] >= SURE_CONFIDENCE).sum())
    of = "all of them" if sure == len(place) else f"{sure:,} of them" if sure else "none of them"
    return f"The model is at least {SURE_CONFIDENCE:.0%} sure of {of}."


def class_box(seen: Snapshot, key: str, label: str = "Class") -> str | None:
    """A list of the classes in which a new one can be typed."""
    return st.selectbox(
        label,
        seen.labels.classes,
        index=None,
        accept_new_options=True,
        placeholder="Choose a class, or type a new one",
        label_visibility="collapsed",
        key=key,
    )


@_safely.callback
def _label(project: Project, items: Sequence[str]) -> None:
    # The field's present value: a person may have typed another class and pressed the button before it was redrawn.
    if class_name := st.session_state[Key.BULK_CLASS]:
        labelling.label_items(project, items, class_name, _state.annotator())
        _state.notify(f"{len(items):,} labelled {plain(class_name)}")


@_safely.callback
def _reject(project: Project, items: Sequence[str], class_name: str) -> None:
    labelling.reject_class(project, items, class_name, _state.annotator())
    _state.notify(f"{plain(class_name)} ruled out for {len(items):,}")


@_safely.callback
def _none(project: Project, items: Sequence[str]) -> None:
    labelling.mark_none_of_named(project, items, _state.annotator())
    _state.notify(f"{len(items):,} are of no named class")


@_safely.callback
def _clear(project: Project, items: Sequence[str]) -> None:
    labelling.clear_labels(project, items, _state.annotator())
    _state.notify(f"Labels of {len(items):,} cleared")
