"""What a person does with clusters beside naming them: split, merge, dissolve, ignore.

Every call is one step for `undo`. It takes effect at once, as results are seen through `Snapshot.q_y`, and the next
training applies it to the model, at once if a run is at work.
"""

from functools import lru_cache

from dgm_engine.discovery.clusters import Cluster, Similarity, similarity
from dgm_engine.discovery.edits import difference
from dgm_engine.errors import InputError, StateError
from dgm_engine.labels.schema import Edit, Kind
from dgm_engine.services import anchoring
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot, take
from dgm_engine.services.viewing import clusters_of, component_seen, shown_q_y, view


def split(project: Project, component: int, annotator: str, seen: Snapshot | None = None) -> int:
    """Parts a cluster's images in two and gives the smaller part to a free component, whose number is returned.

    Free is a component that holds no images, or was merged or dissolved, and has no name.

    Args:
        project: whose cluster it is.
        component: its number.
        annotator: who says so.
        seen: the snapshot that the person saw; None is the newest.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw; the cluster has fewer than two
            images; or no component is free.
        NotFoundError: there is no such component.
    """
    now, clusters = _seen(project, component, seen)
    if _filled(clusters, component).size < 2:
        raise StateError(f"cluster {component} holds one image; split one that holds at least two")
    free = [c.component for c in clusters if not c.size and c.class_name is None]
    if not free:
        raise StateError(
            f"all {len(clusters)} clusters are in use or named, so that there is none for the second half of cluster "
            f"{component}; merge or dissolve one first, or train from scratch with more clusters"
        )
    # By the newest results: a run at work may have left others since the person saw them.
    tried = Edit(0, Kind.SPLIT, component, free[0])  # to see which images the other half gets: they have no name then
    moved = now.results.edited((*now.labels.edits, tried))[0].argmax(axis=1)[now.results.shown] == free[0]
    images = anchoring.earlier(now, now, moved)
    project.labels.edit_component(Kind.SPLIT, now.lineage, component, free[0], None, images, annotator=annotator)
    return free[0]


def merge(project: Project, component: int, into: int, annotator: str, seen: Snapshot | None = None) -> None:
    """Gives all images of a cluster to another one, which keeps its name, or takes the first one's if it has none.

    The first one is closed, so that a later split may use it. (To name two clusters alike makes them one class of two
    components.) The name then belongs to the images of both. Arguments are those of `split`.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw; or one of the two holds no images.
        NotFoundError: there is no such component.
        InputError: both are the same.
    """
    now, clusters = _seen(project, component, seen)
    component_seen(now, into, seen)
    if component == into:
        raise InputError(f"cluster {component} cannot be merged with itself; choose another one")
    first, second = _filled(clusters, component), _filled(clusters, into)
    name = second.class_name or first.class_name
    # What comes into a cluster whose name no image of its own has could be too few to name it.
    new_to_it = (component,) if second.named else (component, into)
    images = anchoring.named(now, seen or now, *new_to_it) if name else ()
    project.labels.edit_component(Kind.MERGE, now.lineage, component, into, name, images, annotator=annotator)


def dissolve(project: Project, component: int, annotator: str, seen: Snapshot | None = None) -> None:
    """Gives each image of a cluster to the one that is next most probable for it; the cluster is closed.

    Arguments are those of `split`.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw; the cluster holds no images; or it
            is the only one that does.
        NotFoundError: there is no such component.
    """
    now, clusters = _seen(project, component, seen)
    _filled(clusters, component)
    if sum(c.size > 0 for c in clusters) == 1:
        raise StateError(f"cluster {component} is the only one that holds images; split it, or train from scratch")
    before = seen or now
    images = anchoring.earlier(now, before, view(before).component == component)
    project.labels.edit_component(Kind.DISSOLVE, now.lineage, component, images=images, annotator=annotator)


def ignore(
    project: Project, component: int, annotator: str, seen: Snapshot | None = None, *, ignored: bool = True
) -> None:
    """Says that a person does not care for a cluster, or does again: nothing is suggested from an ignored one.

    It stays in the model, and nothing happens where it is so already. Arguments are those of `split`.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw; or the cluster holds no images.
        NotFoundError: there is no such component.
    """
    now, clusters = _seen(project, component, seen)
    if _filled(clusters, component).ignored is not ignored:
        kind = Kind.IGNORE if ignored else Kind.UNIGNORE
        project.labels.edit_component(kind, now.lineage, component, annotator=annotator)


def unlearned(seen: Snapshot) -> frozenset[int]:
    """Components whose images people changed since the model learned: its prototypes know nothing of that."""
    parts = difference(seen.results.contained.edits, seen.labels.edits)
    return frozenset(k for part in parts for edit in part for k in edit.touched)


@lru_cache(maxsize=4)
def alike(seen: Snapshot) -> Similarity:
    """How alike the clusters of a snapshot are; cached."""
    return similarity(shown_q_y(seen))


def _seen(project: Project, component: int, seen: Snapshot | None) -> tuple[Snapshot, tuple[Cluster, ...]]:
    """What holds now and its clusters; raises where the component is not what the person saw any more."""
    now = take(project)
    component_seen(now, component, seen)
    return now, clusters_of(now)


def _filled(clusters: tuple[Cluster, ...], component: int) -> Cluster:
    """Raises StateError unless the cluster holds images."""
    if not clusters[component].size:
        raise StateError(f"cluster {component} holds no images; choose one that does")
    return clusters[component]
