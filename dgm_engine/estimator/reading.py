"""Checks the X and y that people give to an estimator, and makes tables of X."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils.validation import check_is_fitted, validate_data

from dgm_engine.config import LikelihoodName
from dgm_engine.errors import InputError
from dgm_engine.estimator.labels import UNLABELLED
from dgm_engine.training.batches import Table

if TYPE_CHECKING:
    from dgm_engine.estimator.classifier import SemiUnsupervisedClassifier

_validated: Callable[..., Any] = validate_data  # scikit-learn has no types


def read(
    estimator: "SemiUnsupervisedClassifier", X: ArrayLike, y: ArrayLike | None, *, reset: bool
) -> tuple[NDArray[np.float32], NDArray[Any]]:
    """Checks X and y before training.

    Args:
        estimator: the estimator to train.
        X: as given to the estimator.
        y: as given to the estimator; None if no class is known.
        reset: whether the estimator takes the number and names of its features from X; otherwise X must match them.

    Returns:
        X (N, D), and y (N,), which is -1 everywhere if it was None.

    Raises:
        ValueError: the estimator cannot train on them.
    """
    settings: dict[str, Any] = {"dtype": np.float32, "ensure_min_samples": 2, "reset": reset}
    if y is None:
        values = _validated(estimator, X, **settings)
        given = np.full(len(values), UNLABELLED)
    else:
        values, given = _validated(estimator, X, y, **settings)
    if estimator.likelihood == LikelihoodName.BERNOULLI and (values.min() < 0 or values.max() > 1):
        raise InputError(
            f"X has values from {values.min():.4g} to {values.max():.4g}, and likelihood='bernoulli' is for values "
            "from 0 to 1; scale them (MinMaxScaler does) or use likelihood='gaussian'"
        )
    return values, np.asarray(given)


def checked(estimator: "SemiUnsupervisedClassifier", X: ArrayLike) -> Table:
    """Checks X (N, D) before prediction, and makes a table of it.

    Values for the likelihood "bernoulli" are clipped to [0, 1], because scaling may put some a little outside of it.

    Raises:
        ValueError: X is not numbers, has other features than in `fit`, or the estimator is not fitted.
    """
    check_is_fitted(estimator)
    values = _validated(estimator, X, dtype=np.float32, reset=False)
    binary = estimator.model_.config.likelihood is LikelihoodName.BERNOULLI
    return Table(values.clip(0, 1) if binary else values, np.arange(len(values)))


def table_of(values: NDArray[np.float32], image_shape: Sequence[int] | None) -> Table:
    """X (N, D) as a table to train on; with an `image_shape`, its rows become images (H, W, C).

    Raises:
        ValueError: the rows of X are not images of that shape.
    """
    try:
        shape = values.shape[1:] if image_shape is None else tuple(int(side) for side in image_shape)
    except TypeError as error:
        raise InputError(f"image_shape is {image_shape!r}; give (height, width), in pixels") from error
    if len(shape) not in (1, 2, 3) or np.prod(shape) != values.shape[1]:
        raise InputError(
            f"image_shape is {shape} and X has {values.shape[1]} columns; "
            "give (height, width) or (height, width, channels) whose product is that number"
        )
    return Table(values.reshape(-1, *shape, *[1] * (len(shape) == 2)), np.arange(len(values)))
