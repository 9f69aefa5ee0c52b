"""Pictures of items, alone or many in one, and of what the model makes of them."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from dgm_engine.services import pictures
from dgm_engine.services.latest import check_component
from dgm_engine.services.projects import Project
from dgm_engine.services.snapshot import Snapshot


def thumbnails(project: Project, rows: Sequence[int] | NDArray[np.int64], size: int = 64) -> list[bytes]:
    """A PNG of ``size`` x ``size`` pixels for each pool row; feature vectors are drawn as bars."""
    return [pictures.png(image) for image in _cells(project, rows, size)]


def sprite(
    project: Project, rows: Sequence[int] | NDArray[np.int64], columns: int, size: int = 64, gap: int = 0
) -> bytes:
    """One PNG with the thumbnails in reading order, ``columns`` to a line, ``gap`` pixels after each of ``size``."""
    return pictures.png(pictures.sheet(_cells(project, rows, size), columns, size, gap))


def own_size(project: Project, most: int) -> int:
    """The images' longer side in pixels, at most `most`; feature vectors are drawn at `most`."""
    return min(most, max(project.pool.shape[:2])) if project.pool.is_images else most


def prototype_image(seen: Snapshot, component: int, size: int = 96) -> bytes:
    """A PNG of a component's decoded prototype.

    Raises:
        NotFoundError: there is no such component.
    """
    check_component(seen.results, component)
    return pictures.png(pictures.items(seen.project.pool, seen.results.prototypes[component : component + 1], size)[0])


def prototype_sprite(seen: Snapshot, components: Sequence[int], size: int) -> bytes:
    """One PNG with components' decoded prototypes side by side. Raises as `prototype_image`."""
    for component in components:
        check_component(seen.results, component)
    images = pictures.items(seen.project.pool, seen.results.prototypes[list(components)], size)
    return pictures.png(pictures.sheet(images, max(len(images), 1), size))


def reconstruction(seen: Snapshot, item: str, size: int = 96) -> bytes:
    """A PNG of the mean of p(x | z) at an item's own z and most probable component: what the model keeps of it.

    The model is loaded once for each run's results, in 0.1 s with 50 units of z and 500 hidden ones; the first one of a
    process waits another 1.3 s for torch. Then a picture takes 2 ms.

    Raises:
        NotFoundError: there is no such item.
        StateError: the model is not saved yet.
        CorruptError: the model's checkpoints are damaged.
    """
    pool = seen.project.pool
    row = pool.rows([item])
    model = seen.model
    from dgm_engine.training import latent  # here, so that pages start without torch
    from dgm_engine.training.batches import Table

    component = seen.q_y[row].argmax(axis=1)
    values = latent.decoded(model, seen.results.z[row], component)
    return pictures.png(pictures.items(pool, Table(pool.x, row).items(values), size)[0])


def _cells(project: Project, rows: Sequence[int] | NDArray[np.int64], size: int) -> list[pictures.Image.Image]:
    return pictures.items(project.pool, project.pool.x[np.asarray(rows, dtype=np.int64)], size)
