"""The engine as a scikit-learn estimator, trained in the caller's process."""

import copy
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from numbers import Integral, Real
from typing import Any, Self, TypeVar

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_consistent_length, check_is_fitted, validate_data

from dgm_engine.config import LikelihoodName, ModelConfig, ModelName, Preset, TrainingConfig
from dgm_engine.errors import InputError
from dgm_engine.extractors.registry import extractor as of_name
from dgm_engine.labels.state import LabelState
from dgm_engine.objective import fixed_bound
from dgm_engine.training.batches import Table
from dgm_engine.training.checkpoint import new_state
from dgm_engine.training.features import make_features
from dgm_engine.training.fitting import default_epochs, fresh_state, learn, predict
from dgm_engine.training.knowledge import Knowledge
from dgm_engine.training.loop import Schedule, TrainingState, train
from dgm_engine.training.ownership import Owner
from dgm_engine.training.planning import PAPER_LATENT
from dgm_engine.training.start import clustering_start, nearest_rows

UNLABELLED = -1
LEARN_RECORDS = 10
"""The owners of the components are looked at anew after so many records of the loop."""
REFRESH = 5
"""`partial_fit` takes this many times fewer epochs than `fit` where nobody says how many."""
SCORE_BATCH = 64
_TINY = 1e-300
RandomState = int | np.random.RandomState | None
Choice = TypeVar("Choice", bound=StrEnum)

_log = logging.getLogger(__name__)
_validated: Callable[..., Any] = validate_data  # for want of types in scikit-learn


class SemiUnsupervisedClassifier(ClassNamePrefixFeaturesOutMixin, ClassifierMixin, TransformerMixin, BaseEstimator):
    """A classifier that knows some classes by a few labels and finds the others by itself.

    It is a deep generative model whose latent space is a mixture. A class that has labels owns one component or more;
    components that belong to none and are in use become new classes of their own. So it is a classifier where all rows
    are labelled, semi-supervised where some are, and a clustering where none is.

    Labels are as in `sklearn.semi_supervised`: -1 stands for "not known". Classes may be numbers or strings; of a list
    that mixes strings and -1, numpy makes strings, so "-1" stands for "not known" too.

    The new classes come last in `classes_`. Their labels are the whole numbers after the largest given one (from 0
    where none is given), or "new_0", "new_1", ... where the given ones are strings; every call of `fit` and
    `partial_fit` numbers them anew. Where all rows are labelled there are none.

    Args:
        model: "gm-dgm", "agm-dgm", "m2" or "adgm".
        n_components: K, the components of the mixture, several for each class that you expect. There are at least as
            many as given classes, and two.
        n_classes: how many classes you believe there are, new ones included; None takes the components to be equally
            frequent (Eq. 34-35 of the paper).
        preset: "fast", or "paper" for the settings of the paper.
        likelihood: "gaussian" for features of any scale, which are standardised, or "bernoulli" for values between 0
            and 1, such as pixels.
        auxiliary: the family of the auxiliary latent of "agm-dgm" and "adgm": "gaussian" or "bernoulli".
        image_shape: (H, W) or (H, W, C) where the rows of X are images, flattened in this order; training then turns,
            zooms and shifts them a little.
        n_latent: Z, the length of what `transform` returns; None is 50, and 200 in preset "paper".
        n_hidden: units in each hidden layer.
        max_epochs: passes over X; None leaves the end to `max_minutes`, or takes a number that suits the rows of X,
            from 6 to 150, and a fifth of it in `partial_fit`.
        max_minutes: time for a call of `fit` or `partial_fit`. Where it ends training, results vary from run to run.
        training: further fields of `dgm_engine.config.TrainingConfig` by name.
        device: where to train: "auto", "cpu" or "cuda". The trained model answers on the CPU.
        random_state: of every random draw.

    Attributes:
        classes_: (C,) the labels that `predict` returns: the given classes, sorted, and then the new ones.
        new_classes_: those of them that were found.
        transduction_: (N,) the class of each row of the last `fit` or `partial_fit`: its label, or else the prediction.
        class_of_component_: (K,) for each component the position of its class in `classes_`, -1 where it has none.
        weights_: (K,) the share of these rows that each component holds.
        bounds_: the mean bound of an item over the course of that training, in nats.
        model_: the trained torch module.
        n_features_in_, feature_names_in_: as everywhere in scikit-learn.
    """

    def __init__(  # noqa: PLR0913 - scikit-learn wants every parameter here
        self,
        model: str = "gm-dgm",
        *,
        n_components: int = 20,
        n_classes: int | None = None,
        preset: str = "fast",
        likelihood: str = "gaussian",
        auxiliary: str = "gaussian",
        image_shape: Sequence[int] | None = None,
        n_latent: int | None = None,
        n_hidden: int = 500,
        max_epochs: int | None = None,
        max_minutes: float | None = None,
        training: dict[str, Any] | None = None,
        device: str = "auto",
        random_state: RandomState = None,
    ) -> None:
        self.model = model
        self.n_components = n_components
        self.n_classes = n_classes
        self.preset = preset
        self.likelihood = likelihood
        self.auxiliary = auxiliary
        self.image_shape = image_shape
        self.n_latent = n_latent
        self.n_hidden = n_hidden
        self.max_epochs = max_epochs
        self.max_minutes = max_minutes
        self.training = training
        self.device = device
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Trains a new model.

        Args:
            X: (N, D) numbers.
            y: (N,) classes, -1 where the class is not known; None where none is.

        Raises:
            ValueError: data or a parameter cannot be used; the message says which and what would do.
        """
        values, given = self._read(X, y, reset=True)
        labels = _Labels.of(given)
        config = self._training_config(default_epochs(len(values)))
        table, began = self._table(values), time.monotonic()
        shape = self._model_config(table, len(labels.classes), config.extractor)
        table = _with_features(table, shape)
        state = fresh_state(shape, config, table, _device(self.device))
        if config.clustering_start:
            for record in clustering_start(state, table, config):
                _log.info("%s: %.0f%%", record.phase, 100 * record.progress)
        fit = _Fit(state, table, config, labels, (None,) * shape.n_components, began)
        return self._keep(fit, in_use=np.zeros(shape.n_components, dtype=bool))

    def partial_fit(self, X: ArrayLike, y: ArrayLike | None = None, classes: ArrayLike | None = None) -> Self:
        """Goes on training from the present weights, with other labels or other rows; the first call is `fit`.

        A class that is new here gets the component that holds most of its rows; components keep their meaning, and the
        model keeps the shape that it had in `fit`. Give the whole of X with its labels as they now stand: what is not
        given is not rehearsed.

        Args:
            X: (N, D) numbers.
            y: (N,) classes, -1 where the class is not known; None where none is.
            classes: not needed; classes are known by the labels they have.

        Raises:
            ValueError: as in `fit`, or there are more classes by now than components.
        """
        del classes
        if not hasattr(self, "model_"):
            return self.fit(X, y)
        values, given = self._read(X, y, reset=False)
        labels, n_components = _Labels.of(given, self._given_classes), len(self._owner)
        if len(labels.classes) > n_components:
            raise InputError(
                f"there are {len(labels.classes)} classes by now and {n_components} components; "
                "fit anew with a larger n_components"
            )
        config = self._training_config(max(1, default_epochs(len(values)) // REFRESH))
        table, began = _with_features(self._table(values), self.model_.config), time.monotonic()
        model = copy.deepcopy(self.model_)  # whatever goes wrong, the estimator stays as it is
        state = new_state(model.float().to(_device(self.device)), config, len(values))
        fit = _Fit(state, table, config, labels, self._owner, began)
        return self._keep(fit, in_use=self.class_of_component_ >= 0)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """(N,) the most probable of `classes_`."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N, C) the probabilities of `classes_`: q(y | x), summed over the components of each class."""
        return _class_probabilities(self._answers(X)[0], self.class_of_component_, len(self.classes_))

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N, Z) the means of q(z | x, y*) at the most probable component y*."""
        return self._answers(X)[1]

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N,) the bound on log p(x) of each row (Eq. 2), in nats; features that never vary are left out."""
        table = self._checked(X)
        log_prior = torch.from_numpy(self._log_prior)
        scale = self.model_.inputs.scale.log().sum().item()  # from the density of standardised values to that of x
        found = np.empty(len(table.x))
        with torch.no_grad():
            for begin in range(0, len(found), SCORE_BATCH):
                rows = table.rows[begin : begin + SCORE_BATCH]
                raw = table.values(rows).double()
                found[rows] = fixed_bound(self.model_, raw, log_prior).value.numpy() - scale
        return found

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of the labelled rows that get their label; rows with the label -1 do not count."""
        check_is_fitted(self)
        check_consistent_length(X, y)
        truth = np.asarray(y)
        labelled = ~_is_unlabelled(truth)
        if not labelled.any():
            raise InputError("y has no labelled row to score on; give rows whose class is known")
        weight = None if sample_weight is None else np.asarray(sample_weight)[labelled]
        return float(accuracy_score(truth[labelled], self.predict(X)[labelled], sample_weight=weight))

    def sample(
        self,
        n_samples: int = 1,
        *,
        label: object = None,
        component: int | None = None,
        noise: bool = True,
        random_state: RandomState = None,
    ) -> tuple[NDArray[np.float64], NDArray[Any]]:
        """Draws rows from the model.

        Args:
            n_samples: how many.
            label: the class to draw from; None draws from all, as often as the training rows are of them.
            component: the component to draw from instead.
            noise: whether x is drawn from p(x | ...); otherwise it is the mean, which suits images.
            random_state: of the draws; None takes that of the estimator.

        Returns:
            X (n_samples, D) and y (n_samples,), the classes.
        """
        check_is_fitted(self)
        weights = self._sampled_components(label, component)
        rng = check_random_state(self.random_state if random_state is None else random_state)
        generator = torch.Generator().manual_seed(int(rng.randint(2**31 - 1)))
        chosen = rng.choice(len(weights), size=check_scalar(n_samples, "n_samples", Integral, min_val=1), p=weights)
        k = torch.from_numpy(chosen)
        with torch.no_grad():
            p_x = self.model_.p_x(self.model_.p_z(k).sample(1, generator)[0], k)
            x = self.model_.inputs.inverse(p_x.sample(1, generator)[0] if noise else p_x.mean)
        return x.numpy(), self.classes_[self.class_of_component_[chosen]]

    @property
    def _n_features_out(self) -> int:
        return self.model_.config.n_latent

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "model_")

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = False
        tags.non_deterministic = self.max_minutes is not None
        return tags

    def _read(self, X: ArrayLike, y: ArrayLike | None, *, reset: bool) -> tuple[NDArray[np.float32], NDArray[Any]]:
        """X (N, D), and y (N,) with -1 everywhere where there is none."""
        settings: dict[str, Any] = {"dtype": np.float32, "ensure_min_samples": 2, "reset": reset}
        if y is None:
            values = _validated(self, X, **settings)
            given = np.full(len(values), UNLABELLED)
        else:
            values, given = _validated(self, X, y, **settings)
        if self.likelihood == LikelihoodName.BERNOULLI and (values.min() < 0 or values.max() > 1):
            raise InputError(
                f"X has values from {values.min():.4g} to {values.max():.4g}, and likelihood='bernoulli' is for values "
                "from 0 to 1; scale them (MinMaxScaler does) or use likelihood='gaussian'"
            )
        return values, np.asarray(given)

    def _checked(self, X: ArrayLike) -> Table:
        """X to answer for. Where scaling has left pixels a little outside of [0, 1] they are clipped."""
        check_is_fitted(self)
        values = _validated(self, X, dtype=np.float32, reset=False)
        binary = self.model_.config.likelihood is LikelihoodName.BERNOULLI
        return Table(values.clip(0, 1) if binary else values, np.arange(len(values)))

    def _table(self, values: NDArray[np.float32]) -> Table:
        """X to train on, as images where it holds such."""
        try:
            shape = values.shape[1:] if self.image_shape is None else tuple(int(side) for side in self.image_shape)
        except TypeError as error:
            raise InputError(f"image_shape is {self.image_shape!r}; give (height, width), in pixels") from error
        if len(shape) not in (1, 2, 3) or np.prod(shape) != values.shape[1]:
            raise InputError(
                f"image_shape is {shape} and X has {values.shape[1]} columns; "
                "give (height, width) or (height, width, channels) whose product is that number"
            )
        return Table(values.reshape(-1, *shape, *[1] * (len(shape) == 2)), np.arange(len(values)))

    def _answers(self, X: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """q(y | x) (N, K) and the means of q(z | x, y*) (N, Z)."""
        table = self._checked(X)
        return predict(self.model_, table, table.rows, np.float64)

    def _model_config(self, table: Table, n_known: int, extractor: str | None) -> ModelConfig:
        for name in ("n_components", "n_hidden"):
            check_scalar(getattr(self, name), name, Integral, min_val=1)
        if self.n_latent is not None:
            check_scalar(self.n_latent, "n_latent", Integral, min_val=1)
        default = PAPER_LATENT if self.preset == Preset.PAPER else ModelConfig.n_latent
        in_unit = table.is_images and self.likelihood == LikelihoodName.BERNOULLI
        return ModelConfig(
            n_features=int(np.prod(table.x.shape[1:])),
            n_components=max(int(self.n_components), n_known, 2),
            likelihood=_choice(LikelihoodName, "likelihood", self.likelihood),
            name=_choice(ModelName, "model", self.model),
            auxiliary=_choice(LikelihoodName, "auxiliary", self.auxiliary),
            n_latent=default if self.n_latent is None else int(self.n_latent),
            n_hidden=int(self.n_hidden),
            image_shape=table.x.shape[1:] if in_unit else None,
            extractor=extractor if in_unit else None,
        )

    def _training_config(self, default_epochs: int) -> TrainingConfig:
        limits = {"max_epochs": self.max_epochs, "max_minutes": self.max_minutes, "n_classes": self.n_classes}
        for name, value in limits.items():
            if value is not None:
                check_scalar(value, name, Real if name == "max_minutes" else Integral)
        changes = {name: value for name, value in limits.items() if value is not None}
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        config = TrainingConfig.for_preset(_choice(Preset, "preset", self.preset), seed=seed, **changes)
        # No later run is compared with this one, and nobody looks on, adding labels and names one by one.
        config = config.replaced(checked_fraction=0.0, full_weight_from=1, warm_up_steps=0)
        config = TrainingConfig.from_json({**config.to_json(), **(self.training or {})})
        endless = config.max_epochs is None and config.max_minutes is None
        return config.replaced(max_epochs=default_epochs) if endless else config

    def _keep(self, fit: "_Fit", in_use: NDArray[np.bool_]) -> Self:
        """Trains, and keeps what came of it; `in_use` (K,) says which components had a class before."""
        bounds, owner, knowledge = fit.train()
        model, labels = fit.state.model.cpu().double().eval(), fit.labels  # in double precision rows do not interfere
        # Of features in the same precision too, so that `predict` says of these rows what `transduction_` does.
        q_y = predict(model, replace(fit.table, features=None), fit.table.rows, np.float64)[0]
        position = _class_of_component(q_y, owner, labels, in_use)
        classes = _with_new(np.sort(labels.classes), int(position.max()) + 1 - len(labels.classes))
        predicted = classes[_class_probabilities(q_y, position, len(classes)).argmax(axis=1)]
        known = labels.position >= 0
        predicted[known] = labels.classes[labels.position[known]]
        self.model_, self.bounds_, self.weights_ = model, bounds, q_y.mean(axis=0)
        self.classes_, self.new_classes_ = classes, classes[len(labels.classes) :]
        self.class_of_component_, self.transduction_ = position, predicted
        self._given_classes, self._owner = labels.classes, owner
        self._log_prior = knowledge.log_prior.cpu().double().numpy()
        return self

    def _sampled_components(self, label: object, component: int | None) -> NDArray[np.float64]:
        """(K,) how often to draw from each component."""
        position = self.class_of_component_
        wanted = position >= 0
        if component is not None:
            wanted = wanted & (np.arange(len(position)) == component)
        if label is not None:
            wanted = wanted & np.isin(position, [i for i, name in enumerate(self.classes_.tolist()) if name == label])
        if not wanted.any():
            raise InputError(
                f"no component is in use for label={label!r}, component={component!r}; the classes are "
                f"{', '.join(map(str, self.classes_))}, the components in use "
                f"{', '.join(map(str, np.flatnonzero(position >= 0)))}"
            )
        weights = np.where(wanted, np.maximum(self.weights_, _TINY), 0.0)
        return weights / weights.sum()


@dataclass(frozen=True)
class _Labels:
    """The labels of some rows.

    Attributes:
        classes: (C,) the given classes, in the order in which they first came.
        position: (N,) where in `classes` the class of each row stands, -1 where it is not known.
    """

    classes: NDArray[Any]
    position: NDArray[np.int64]

    @classmethod
    def of(cls, y: NDArray[Any], earlier: NDArray[Any] | None = None) -> "_Labels":
        """The labels y (N,), beside classes (C',) that came earlier.

        Raises:
            ValueError: they are not classes, or some are strings and others are not.
        """
        known = ~_is_unlabelled(y)
        given = _of_one_kind(y[known])
        parts = [part for part in (earlier, np.unique(given)) if part is not None and len(part)]
        if len({part.dtype.kind == "U" for part in parts}) > 1:
            raise InputError(
                f"y names classes {given[0]!r} and earlier ones are {parts[0][0]!r}; use one kind of label"
            )
        classes = np.concatenate([parts[0], np.setdiff1d(parts[-1], parts[0])]) if parts else np.empty(0, np.int64)
        position = np.full(len(y), -1)
        order = np.argsort(classes)
        position[known] = order[np.searchsorted(classes, given, sorter=order)] if len(given) else -1
        return cls(classes, position)

    def state(self) -> LabelState:
        """The same as the label store has it: items are row numbers, classes their positions."""
        rows = np.flatnonzero(self.position >= 0)
        return LabelState(
            version=0,
            known=0,
            positive={str(row): str(self.position[row]) for row in rows},
            rejected={},
            none_of_named=frozenset(),
            skipped=frozenset(),
            names={},
            edits=(),
            ignored=frozenset(),
            classes=tuple(str(position) for position in range(len(self.classes))),
            numbers={},
            annotators={},
        )


@dataclass(frozen=True)
class _Fit:
    """One training run over arrays.

    Attributes:
        state: where it begins.
        table: X.
        config: how to train.
        labels: y.
        owner: (K,) the positions, as strings, of the classes that own the components so far.
        began: `time.monotonic()` at its beginning.
    """

    state: TrainingState
    table: Table
    config: TrainingConfig
    labels: _Labels
    owner: Owner
    began: float

    def train(self) -> tuple[NDArray[np.float64], Owner, Knowledge]:
        """Trains to the end; the bounds on the way, and what owner and knowledge are then."""
        config, table, labels = self.config, self.table, self.labels.state()
        if config.neighbour_weight:
            self.state.neighbours = nearest_rows(self.state, table)
        owner, known = self._learn(self.owner, labels)
        n_asked = 0

        def knowledge() -> Knowledge:
            nonlocal owner, known, n_asked
            if n_asked % LEARN_RECORDS == LEARN_RECORDS - 1:
                owner, known = self._learn(owner, labels)
            n_asked += 1
            return known

        seconds = None if config.max_minutes is None else 60 * config.max_minutes
        schedule = Schedule(config.max_epochs, seconds, self.began)
        bounds: list[float] = []
        for record in train(self.state, table, knowledge, config, schedule):
            bounds.append(record.elbo)
            _log.info("epoch %.1f: bound %.2f", record.epoch, record.elbo)
        return np.array(bounds), *self._learn(owner, labels)

    def _learn(self, owner: Owner, labels: LabelState) -> tuple[Owner, Knowledge]:
        learned = learn(self.state.model, self.table, labels, _row_numbers, owner, self.config)
        return learned.given, learned.known


def _with_features(table: Table, shape: ModelConfig) -> Table:
    """The table with what the model's extractor makes of its images, in half precision: for training alone."""
    return (
        table if shape.extractor is None else replace(table, features=make_features(of_name(shape.extractor), table.x))
    )


def _row_numbers(items: Sequence[str]) -> NDArray[np.int64]:
    return np.array(items, dtype=np.int64)


def _class_of_component(
    q_y: NDArray[np.floating], owner: Owner, labels: _Labels, in_use: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """(K,) the position of each component's class: in the sorted classes, after them for new ones, -1 for none.

    A free component is a class of its own where it is the most probable answer for a row without a label. Where all
    rows have one, nothing is said of the free components: those `in_use` (K,) before are still classes.
    """
    n_known = len(labels.classes)
    rank = np.argsort(np.argsort(labels.classes))
    position = np.array([-1 if name is None else rank[int(name)] for name in owner])
    free = np.flatnonzero(position < 0)
    unlabelled = q_y[labels.position < 0]
    if len(unlabelled):
        each = position.copy()
        each[free] = n_known + np.arange(len(free))
        answers = _class_probabilities(unlabelled, each, n_known + len(free)).argmax(axis=1)
        new = free[np.isin(each[free], answers)]
    else:
        new = free[in_use[free]]
    position[new] = n_known + np.arange(len(new))
    return position


def _class_probabilities(q_y: NDArray[np.floating], position: NDArray[np.int64], n_classes: int) -> NDArray[np.float64]:
    """(N, C) q(y | x) (N, K) summed over the components of each class, and scaled to sum to one."""
    owned = np.flatnonzero(position >= 0)
    members = np.zeros((len(position), n_classes))
    members[owned, position[owned]] = 1
    total = np.maximum(q_y, _TINY) @ members
    return total / total.sum(axis=1, keepdims=True)


def _with_new(classes: NDArray[Any], n_new: int) -> NDArray[Any]:
    """The sorted classes, and labels for `n_new` more."""
    if n_new == 0:
        return classes
    if classes.dtype.kind == "U":
        taken = set(classes.tolist())
        names = [name for i in range(n_new + len(taken)) if (name := f"new_{i}") not in taken]
        return np.concatenate([classes, names[:n_new]])
    first = max(int(classes.max()) + 1, 0) if len(classes) else 0
    return np.concatenate([classes, np.arange(first, first + n_new)])


def _is_unlabelled(y: NDArray[Any]) -> NDArray[np.bool_]:
    """(N,) where a label is -1, or "-1" as numpy has it among strings."""
    if y.dtype.kind == "U":
        return y == str(UNLABELLED)
    if y.dtype == object:
        return np.array([label in (UNLABELLED, str(UNLABELLED)) for label in y.tolist()], dtype=bool)
    return y == UNLABELLED


def _of_one_kind(labels: NDArray[Any]) -> NDArray[Any]:
    """An array of strings or of whole numbers, also out of an array of objects."""
    if labels.dtype.kind in "biuU":
        return labels
    values = labels.tolist()
    if any(isinstance(value, float) and not value.is_integer() for value in values):
        raise InputError("Unknown label type: y holds fractions; give classes as strings or whole numbers")
    if not all(isinstance(value, str) for value in values) and not all(isinstance(value, Real) for value in values):
        kinds = sorted({type(value).__name__ for value in values})
        raise InputError(
            f"y holds labels of type {', '.join(kinds)}; give strings or whole numbers, and -1 where nothing is known"
        )
    return np.array(values)


def _device(name: str) -> torch.device:
    if name not in ("auto", "cpu", "cuda"):
        raise InputError(f"device is {name!r}; give 'auto', 'cpu' or 'cuda'")
    if name == "cuda" and not torch.cuda.is_available():
        raise InputError("device is 'cuda' and there is no such device here; give 'auto' or 'cpu'")
    return torch.device("cuda" if name != "cpu" and torch.cuda.is_available() else "cpu")


def _choice(choices: type[Choice], parameter: str, value: object) -> Choice:
    """A parameter's value as one of its choices."""
    try:
        return choices(value)
    except ValueError as error:
        names = ", ".join(repr(str(choice)) for choice in choices)
        raise InputError(f"{parameter} is {value!r}; give one of {names}") from error
