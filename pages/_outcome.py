"""The outcome of training in words: results that were turned down, names that moved, classes that were not learned."""

import streamlit as st

from dgm_engine.services import jobs, outcomes
from dgm_engine.services.outcomes import Left, Moved, TurnedDown
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot
from dgm_engine.training.comparing import Comparison
from pages import _safely, _state
from pages._text import count, plain

_MAX_NAMES_LISTED = 4
"""Up to this many names that moved are listed one by one."""
_TIME_UNITS = ((86_400, "day"), (3_600, "hour"), (60, "minute"), (1, "second"))


def show(seen: Snapshot) -> None:
    """Draws what a person has to know, or to decide, about the results in use; nothing if all is well."""
    project = seen.project
    if (down := outcomes.turned_down(project)) is not None:
        _turned_down(project, down)
    if unlearned := outcomes.unlearned(seen):
        names = ", ".join(_quoted(name) for name in unlearned)
        st.warning(
            f"The model cannot predict {names}: training found no cluster of its own for "
            f"{'it' if len(unlearned) == 1 else 'them'}. Label some more of these images, or name a cluster that holds "
            "them, and train again.",
            icon=":material/visibility_off:",
        )
    _moved(seen, [moved for moved in outcomes.moved_names(seen) if moved.class_name not in unlearned])


def left_in_words(left: Left) -> str:
    """``30 of 40 passes, about 3 minutes``."""
    parts = [] if left.epochs is None or left.of_epochs is None else [_passes(left.epochs, left.of_epochs)]
    parts += [] if left.seconds is None else [f"about {duration(left.seconds)}"]
    return ", ".join(parts) or "a part of its schedule"


def duration(seconds: float) -> str:
    """``20 seconds``, ``3 minutes``, ``2 hours``."""
    size, unit = next((pair for pair in _TIME_UNITS if seconds >= 1.5 * pair[0]), _TIME_UNITS[-1])
    return count(max(round(seconds / size), 1), unit)


def _turned_down(project: Project, down: TurnedDown) -> None:
    with st.container(border=True, key="turned_down", gap="small"):
        st.markdown(
            f":orange[:material/history:] **Run {down.run} came out worse: you still see run {down.in_use}.** "
            + _side_by_side(down.comparison)
        )
        with st.container(horizontal=True, gap="small"):
            st.button(
                f"Keep run {down.in_use}",
                type="primary",
                key="keep_earlier",
                help="This message goes. Later training goes on from the run that you keep.",
                on_click=use,
                args=(project, down.in_use),
            )
            st.button(
                f"Use run {down.run} all the same",
                key="use_later",
                help="Shows its clusters and classes from now on; undo takes that back.",
                on_click=use,
                args=(project, down.run),
            )


def _side_by_side(compared: Comparison) -> str:
    """The shares that decide whether results are kept or turned down, a sentence for each."""
    before, after, earlier = compared.before, compared.after, f"run {compared.run}"
    told = [
        f"Of {count(now.n, what)} {which} it predicts **{now.share:.0%}** as you said, {earlier} {then.share:.0%}."
        for what, which, then, now in (
            ("image", "under your names", before.named, after.named),
            ("label", "held out", before.held_out, after.held_out),
        )
        if then.share is not None and now.share is not None
    ]
    told.append(f"It gives a class to **{after.coverage:.0%}** of all images, {earlier} to {before.coverage:.0%}.")
    return " ".join(told)


@_safely.callback
def use(project: Project, number: int) -> None:
    """Makes a run the one in use, because a person chose it."""
    jobs.use_run(project, number, _state.annotator())
    _state.notify(f"Run {number} is in use; Undo takes it back", ":material/history:")


def _moved(seen: Snapshot, moved: list[Moved]) -> None:
    """Says where names went, until the person has seen it."""
    known = outcomes.moves_known(seen, _state.annotator()) if moved else frozenset()
    new = [move for move in moved if move not in known]
    if not new:
        return
    lines = [_where_to(move) for move in new[:_MAX_NAMES_LISTED]]
    if len(new) > _MAX_NAMES_LISTED:
        lines.append(f"The same goes for {count(len(new) - _MAX_NAMES_LISTED, 'other name')}.")
    with st.container(border=True, horizontal=True, vertical_alignment="center", gap="small", key="moved_names"):
        st.markdown(":blue[:material/label:] " + "  \n".join(lines), width="stretch")
        st.button("Understood", type="tertiary", key="understood", on_click=_saw, args=(seen, new))


@_safely.callback
def _saw(seen: Snapshot, moved: list[Moved]) -> None:
    outcomes.know_moves(seen, _state.annotator(), moved)


def _where_to(moved: Moved) -> str:
    name, k = _quoted(moved.class_name), moved.component
    if moved.answered is not None:
        made = f"made cluster {k} {_quoted(moved.answered)}" if moved.answered else f"left cluster {k} without a name"
        return f"Your answers about single images {made}; it was {name}."
    if not moved.now:
        return f"{name} was cluster {k}; its images are no longer most of any cluster. Name another, or label some."
    clusters = "cluster" if len(moved.now) == 1 else "clusters"
    return f"{name} follows its images: from cluster {k} to {clusters} {' and '.join(map(str, moved.now))}."


def _passes(epochs: float, of_epochs: float) -> str:
    def told(n: float) -> str:
        return f"{n:,.0f}" if n >= 10 or n == round(n) else f"{n:.1f}"

    return f"{told(epochs)} of {told(of_epochs)} passes"


def _quoted(name: str) -> str:
    return f"“{plain(name)}”"
