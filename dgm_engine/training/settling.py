"""Settles disputes between the names of clusters and answers about single images, and makes components for new classes.

A class that owns no component can never be predicted. A name is evidence like a label: somebody gave it to a cluster
after a look at some of its images, and a few answers about images of the cluster may show that it was wrong. So

- if `scene.ANSWERS_PER_NAME` more answers give another class than the name, and the images form two groups with the
  answers in one of them, this group becomes a component of the other class;
- if the images do not form two groups, and the answers are about typical images, the other class gets the whole
  component. A class that owns nothing yet needs no such majority if the name has further components;
- a class that still owns nothing gets a new component, which begins with its examples and the images nearest to them;
- if some of a name's images come to lie in a component of another class's labels, the labels keep the component.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from dgm_engine.discovery.halves import halves
from dgm_engine.labels.schema import Edit
from dgm_engine.training.checkpoint import Cause
from dgm_engine.training.naming import Overruled
from dgm_engine.training.scene import Dispute, Scene
from dgm_engine.training.start import CLUSTERED_SAMPLE, principal_components
from dgm_engine.training.takeover import Beginning, begin_components

MIN_SHARE_FARTHER = 0.2
"""An image is typical of a component if at least this share of its images lie farther from their mean."""
MIN_SHARE_ANSWERED = 0.15
"""Answers about at least this share of a component's images count even if the images are not typical."""
MIN_ANSWERS_TO_DIVIDE, MIN_SHARE_IN_HALF = 3, 0.8
"""Answers decide which half of a component is theirs if there are this many, this share of them in one half."""


@dataclass(frozen=True)
class NewComponent:
    """A component to be made.

    Attributes:
        class_name: its class; `scene.NO_CLASS` leaves it free.
        source: the component that it begins as a copy of.
        rows: (n,) pool rows that it begins with.
        answers: the items whose labels separate it from its source; none for a class that owns nothing.
    """

    class_name: str
    source: int
    rows: NDArray[np.int64]
    answers: frozenset[str] = frozenset()

    @property
    def cause(self) -> Cause:
        """Why it is made; a schedule makes a component for each cause once."""
        return (self.source if self.answers else None, self.class_name)


@dataclass(frozen=True)
class Settlement:
    """The changes that answers require, beside the owners of components that nobody named.

    Attributes:
        overruled: components that now belong to another class than their name.
        new: components to be made.
    """

    overruled: Mapping[int, Overruled]
    new: tuple[NewComponent, ...]


def settle(scene: Scene) -> Settlement:
    """Decides which names answers overrule, and which components have to be made."""
    overruled: dict[int, Overruled] = {}
    new: list[NewComponent] = []
    settled: set[str] = set()
    for dispute in scene.disputes():
        if dispute.component in overruled or any(one.source == dispute.component for one in new):
            continue
        group, typical = _parted(scene, dispute)
        if group is not None:
            new.append(NewComponent(dispute.against, dispute.component, group, scene.items(dispute.rows)))
        elif typical:
            overruled[dispute.component] = _whole(scene, dispute)
        else:
            continue
        settled.add(dispute.against)
    for name in scene.waiting():
        rows = scene.examples(name)
        if name not in settled and len(rows):
            new.append(NewComponent(name, scene.home(rows), scene.likes(rows)))
    return Settlement(overruled, tuple(new))


def taken_by_names(scene: Scene) -> dict[int, Overruled]:
    """By component, names that took it because some of their images came to lie in it, and that its labels overrule.

    Labels had given the component to their class, and training had learned this. Seven images of a named cluster of 24,
    the most that were left together, took a component of 45 images from the class of its 13 labels: 43 images of sign
    lost their class.
    """
    return {
        dispute.component: _whole(scene, dispute)
        for dispute in scene.disputes()
        if scene.given[dispute.component] == dispute.against
        and scene.labels.names.get(dispute.component) != dispute.name
    }


def make_components(
    scene: Scene, wanted: Sequence[NewComponent], edits: Sequence[Edit], overruled: dict[int, Overruled]
) -> list[int | None]:
    """Makes components, in the model and in `overruled`; returns their numbers. K grows if no component is empty.

    None stands for a component that is not made, because people edited a component of its number, which another run
    has.

    Args:
        scene: the model and what people said.
        wanted: the components to make.
        edits: the edits in force, also of components that the model does not have.
        overruled: by component, the names that labels overruled.
    """
    n_components, taken = scene.state.model.config.n_components, {*overruled}
    beginnings: dict[int, Beginning] = {}  # by place in `wanted`
    for place, new in enumerate(wanted):
        empty = scene.empty(edits, taken)
        if empty is not None:
            taken.add(empty)
        elif n_components in scene.touched(edits):
            continue
        else:
            n_components += 1
        beginnings[place] = Beginning(new.source, new.rows, empty)
    if not beginnings:
        return [None] * len(wanted)
    numbers = begin_components(scene.state, scene.table, list(beginnings.values()), scene.config)
    made, now = dict(zip(beginnings, numbers, strict=True)), scene.components(scene.anchored)
    for place, number in made.items():
        new = wanted[place]
        others = scene.event[(now == number) & (scene.anchor_class != new.class_name)]
        overruled[number] = Overruled(new.class_name, frozenset(others.tolist()), new.answers)
    return [made.get(place) for place in range(len(wanted))]


def _whole(scene: Scene, dispute: Dispute) -> Overruled:
    """Gives the whole component to the class of the answers."""
    return Overruled(dispute.against, scene.names_in(dispute.component), scene.items(dispute.rows))


def _parted(scene: Scene, dispute: Dispute) -> tuple[NDArray[np.int64] | None, bool]:
    """The group of a component's images with the answers, or None and whether the answers count for all images."""
    members = np.union1d(scene.members(dispute.component), dispute.rows)
    points = principal_components(scene.state.model, replace(scene.table, rows=members), np.random.default_rng(0))
    spoken = np.isin(members, dispute.rows)
    found = halves(points)
    share = found.second[spoken].mean()
    if len(dispute.rows) >= MIN_ANSWERS_TO_DIVIDE and found.two_like and max(share, 1 - share) >= MIN_SHARE_IN_HALF:
        return members[(found.second if share >= MIN_SHARE_IN_HALF else ~found.second) | spoken], False
    distance = np.linalg.norm(points - points.mean(axis=0), axis=1)
    typical = np.mean([(distance >= at).mean() >= MIN_SHARE_FARTHER for at in distance[spoken]]) >= 0.5
    n_members = len(members) * len(scene.table.rows) / min(CLUSTERED_SAMPLE, len(scene.table.rows))
    whole = (typical or spoken.mean() >= MIN_SHARE_ANSWERED) and not scene.lie_close(dispute.rows, n_members)
    return None, bool(whole)
