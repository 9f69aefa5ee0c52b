"""What a person does with clusters beside naming them: split, merge, dissolve, ignore.

Every call is one step for `undo`. It takes effect at once, as results are seen through `latest.q_y_of`, and the next
training takes it over into the model; where training goes on already, it does so in the midst of it.
"""

from functools import lru_cache

from dgm_engine.discovery.clusters import Cluster, Similarity, similarity
from dgm_engine.discovery.edits import difference
from dgm_engine.errors import InputError, StateError
from dgm_engine.labels.schema import Edit, Kind
from dgm_engine.services import anchoring, exploring
from dgm_engine.services.exploring import View, clusters_of, component_seen, shown_q_y
from dgm_engine.services.latest import latest_run, results_of
from dgm_engine.services.projects import Project


def split(project: Project, component: int, annotator: str, seen: View | None = None) -> int:
    """Parts a cluster's images in two and gives the smaller part to a free component, whose number is returned.

    Free is a component that holds no images, or was merged or dissolved, and has no name.

    Args:
        project: whose cluster it is.
        component: its number.
        annotator: who says so.
        seen: the view that the person saw; None is the newest.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw; the cluster has fewer than two
            images; or no component is free.
        NotFoundError: there is no such component.
    """
    lineage, clusters = _seen(project, component, seen)
    if _filled(clusters, component).size < 2:
        raise StateError(f"cluster {component} holds one image; split one that holds at least two")
    free = [c.component for c in clusters if not c.size and c.class_name is None]
    if not free:
        raise StateError(
            f"all {len(clusters)} clusters are in use or named, so that there is none for the second half of cluster "
            f"{component}; merge or dissolve one first, or train from scratch with more clusters"
        )
    view = exploring.view(project)  # the newest: a run at work may have left other results since
    results = results_of(project.paths.run(view.run))
    tried = Edit(0, Kind.SPLIT, component, free[0])  # to see which images the other half gets: they have no name then
    moved = results.edited((*view.edits, tried))[0].argmax(axis=1)[view.rows] == free[0]
    images = anchoring.earlier(project, view, moved)
    project.labels.edit_component(Kind.SPLIT, lineage, component, free[0], None, images, annotator=annotator)
    return free[0]


def merge(project: Project, component: int, into: int, annotator: str, seen: View | None = None) -> None:
    """Gives all images of a cluster to another one, which keeps its name, or takes the first one's if it has none.

    The first one is closed, so that a later split may use it. (To name two clusters alike makes them one class of two
    components.) The name then belongs to the images of both. Arguments are those of `split`.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw; or one of the two holds no images.
        NotFoundError: there is no such component.
        InputError: both are the same.
    """
    lineage, clusters = _seen(project, component, seen)
    component_seen(project, into, seen)
    if component == into:
        raise InputError(f"cluster {component} cannot be merged with itself; choose another one")
    first, second = _filled(clusters, component), _filled(clusters, into)
    name = second.class_name or first.class_name
    view = exploring.view(project) if seen is None else seen
    # What comes into a cluster whose name no image of its own has could be too few to name it.
    new_to_it = (component,) if second.named else (component, into)
    images = anchoring.named(project, view, *new_to_it) if name else ()
    project.labels.edit_component(Kind.MERGE, lineage, component, into, name, images, annotator=annotator)


def dissolve(project: Project, component: int, annotator: str, seen: View | None = None) -> None:
    """Gives each image of a cluster to the one that is next most probable for it; the cluster is closed.

    Arguments are those of `split`.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw; the cluster holds no images; or it
            is the only one that does.
        NotFoundError: there is no such component.
    """
    lineage, clusters = _seen(project, component, seen)
    _filled(clusters, component)
    if sum(c.size > 0 for c in clusters) == 1:
        raise StateError(f"cluster {component} is the only one that holds images; split it, or train from scratch")
    view = exploring.view(project) if seen is None else seen
    images = anchoring.earlier(project, view, view.component == component)
    project.labels.edit_component(Kind.DISSOLVE, lineage, component, images=images, annotator=annotator)


def ignore(project: Project, component: int, annotator: str, seen: View | None = None, *, ignored: bool = True) -> None:
    """Says that a person does not care for a cluster, or does again: nothing is suggested from an ignored one.

    It stays in the model, and nothing happens where it is so already. Arguments are those of `split`.

    Raises:
        StateError: the project has no clusters yet, or others than the person saw; or the cluster holds no images.
        NotFoundError: there is no such component.
    """
    lineage, clusters = _seen(project, component, seen)
    if _filled(clusters, component).ignored is not ignored:
        kind = Kind.IGNORE if ignored else Kind.UNIGNORE
        project.labels.edit_component(kind, lineage, component, annotator=annotator)


def unlearned(project: Project, view: View) -> frozenset[int]:
    """Components whose images people changed since the model learned: its prototypes know nothing of that."""
    contained = results_of(project.paths.run(view.run)).contained.edits
    changed = [edit for part in difference(contained, view.edits) for edit in part]
    return frozenset(k for edit in changed for k in (edit.component, edit.other) if k is not None)


def alike(project: Project, view: View) -> Similarity:
    """How alike the clusters of a view are; cached."""
    return _alike(project, view)


@lru_cache(maxsize=4)
def _alike(project: Project, view: View) -> Similarity:
    return similarity(shown_q_y(project, view))


def _seen(project: Project, component: int, seen: View | None) -> tuple[int, tuple[Cluster, ...]]:
    """The lineage whose component a person means, and its clusters; raises as `component_seen`."""
    lineage = component_seen(project, component, seen)
    return lineage, clusters_of(project, latest_run(project))


def _filled(clusters: tuple[Cluster, ...], component: int) -> Cluster:
    """Raises StateError unless the cluster holds images."""
    if not clusters[component].size:
        raise StateError(f"cluster {component} holds no images; choose one that does")
    return clusters[component]
