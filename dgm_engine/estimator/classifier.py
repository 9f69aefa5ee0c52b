"""The engine as a scikit-learn estimator, trained in the caller's process."""

import copy
import logging
import time
from collections.abc import Sequence
from dataclasses import replace
from numbers import Integral
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import accuracy_score
from sklearn.utils import Tags, check_random_state, check_scalar
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from dgm_engine.errors import InputError
from dgm_engine.estimator.classes import MIN_PROBABILITY, class_of_component, class_probabilities, with_new
from dgm_engine.estimator.fit import Fit, with_features
from dgm_engine.estimator.labels import Labels, is_unlabelled
from dgm_engine.estimator.parameters import device_of, model_config, training_config
from dgm_engine.estimator.reading import checked, read, table_of
from dgm_engine.objective import fixed_bound
from dgm_engine.training.checkpoint import new_state
from dgm_engine.training.fitting import default_epochs, fresh_state, predict
from dgm_engine.training.start import clustering_start

PARTIAL_FIT_DIVISOR = 5
"""Without `max_epochs`, `partial_fit` takes this many times fewer epochs than `fit`."""
ITEMS_PER_SCORED_BATCH = 64
"""The number of items whose bound is computed at once."""
RandomState = int | np.random.RandomState | None

_log = logging.getLogger(__name__)


class SemiUnsupervisedClassifier(ClassNamePrefixFeaturesOutMixin, ClassifierMixin, TransformerMixin, BaseEstimator):
    """A classifier that knows some classes by a few labels and finds the others by itself.

    It is a deep generative model whose latent space is a mixture. A class that has labels owns one or more components;
    each further component that is in use becomes a new class. So this is a supervised classifier if all rows have
    labels, a semi-supervised one if some have, and a clustering method if none have.

    As in `sklearn.semi_supervised`, the label -1 means "not known". Classes may be numbers or strings. NumPy turns a
    list of strings and -1 into strings, so "-1" means "not known" too.

    New classes come last in `classes_`. If the given classes are strings, the new ones are "new_0", "new_1", ...;
    otherwise they are the whole numbers after the largest given class, from 0 if no class is given. Every call of
    `fit` and `partial_fit` numbers them again. If all rows have labels, `fit` finds no new classes.

    Args:
        model: "gm-dgm", "agm-dgm", "m2" or "adgm".
        n_components: K, the number of components of the mixture; give several for each class that you expect. A number
            below 2, or below the number of given classes, is raised to it.
        n_classes: the number of classes that you expect, new ones included, from which p(y) follows (Eq. 34-35 of the
            paper); None makes all components equally probable.
        preset: "fast", or "paper" for the settings of the paper.
        likelihood: "gaussian" for features of any scale, which are standardised, or "bernoulli" for values between 0
            and 1, such as pixels.
        auxiliary: the family of the auxiliary latent of "agm-dgm" and "adgm": "gaussian" or "bernoulli".
        image_shape: (H, W) or (H, W, C) if the rows of X are images, flattened in this order; training then augments
            them with small turns, zooms and shifts.
        n_latent: Z, the number of columns that `transform` returns; None is 50, or 200 with preset "paper".
        n_hidden: units in each hidden layer.
        max_epochs: passes over X. With None `max_minutes` ends training; if that is None too, the number depends on
            the number of rows, from 3 for many to 150 for few, and `partial_fit` takes a fifth of it.
        max_minutes: minutes for a call of `fit` or `partial_fit`. If they end training, results vary from run to run.
        training: further fields of `dgm_engine.config.TrainingConfig` by name.
        device: where to train: "auto", "cpu" or "cuda". The trained model answers on the CPU.
        random_state: seed, or generator, of every random draw.

    Attributes:
        classes_: (C,) the labels that `predict` returns: the given classes, sorted, and then the new ones.
        new_classes_: the new ones among `classes_`.
        transduction_: (N,) the class of each row of the last `fit` or `partial_fit`: its label, or else the prediction.
        class_of_component_: (K,) for each component the position of its class in `classes_`, -1 if it has none.
        weights_: (K,) the share of the rows of the last call that each component holds: the mean of q(y | x).
        bounds_: (n,) the mean bound of a row at n times during the last call, in nats.
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
            y: (N,) classes, -1 if the class is not known; None if no class is known.

        Raises:
            ValueError: X, y or a parameter cannot be used; the message says which, and what to give instead.
        """
        values, given = read(self, X, y, reset=True)
        labels = Labels.of(given)
        config = training_config(self, default_epochs(len(values)))
        table, began = table_of(values, self.image_shape), time.monotonic()
        shape = model_config(self, table, len(labels.classes), config.extractor)
        table = with_features(table, shape)
        state = fresh_state(shape, config, table, device_of(self.device))
        if config.clustering_start:
            for record in clustering_start(state, table, config):
                _log.info("%s: %.0f%%", record.phase, 100 * record.progress)
        fit = Fit(state, table, config, labels, (None,) * shape.n_components, began)
        return self._keep(fit, in_use=np.zeros(shape.n_components, dtype=bool))

    def partial_fit(self, X: ArrayLike, y: ArrayLike | None = None, classes: ArrayLike | None = None) -> Self:
        """Continues training from the present weights, with other labels or rows; the first call is the same as `fit`.

        Components keep their meaning, and the model keeps the shape that it had in `fit`. A class that had no labels
        before gets the component that holds most of its rows. Give all rows and all present labels: the model may
        forget what is left out.

        Args:
            X: (N, D) numbers.
            y: (N,) classes, -1 if the class is not known; None if no class is known.
            classes: ignored, because the classes are those that have labels; other estimators require it.

        Raises:
            ValueError: as for `fit`, or there are more classes than components.
        """
        del classes
        if not hasattr(self, "model_"):
            return self.fit(X, y)
        values, given = read(self, X, y, reset=False)
        labels, n_components = Labels.of(given, self._given_classes), len(self._owner)
        if len(labels.classes) > n_components:
            raise InputError(
                f"there are {len(labels.classes)} classes by now and {n_components} components; "
                "call fit with a larger n_components"
            )
        config = training_config(self, max(1, default_epochs(len(values)) // PARTIAL_FIT_DIVISOR))
        table, began = with_features(table_of(values, self.image_shape), self.model_.config), time.monotonic()
        model = copy.deepcopy(self.model_)  # so that the estimator stays as it is if training fails
        state = new_state(model.float().to(device_of(self.device)), config, len(values))
        fit = Fit(state, table, config, labels, self._owner, began)
        return self._keep(fit, in_use=self.class_of_component_ >= 0)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """(N,) the most probable of `classes_`."""
        check_is_fitted(self)
        return self.classes_[self.predict_proba(X).argmax(axis=1)]

    def predict_proba(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N, C) the probabilities of `classes_`: q(y | x), summed over the components of each class."""
        return class_probabilities(self._answers(X)[0], self.class_of_component_, len(self.classes_))

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N, Z) the means of q(z | x, y*) at the most probable component y*."""
        return self._answers(X)[1]

    def score_samples(self, X: ArrayLike) -> NDArray[np.float64]:
        """(N,) the bound on log p(x) of each row (Eq. 2), in nats, without features that were constant in `fit`."""
        table = checked(self, X)
        log_prior = torch.from_numpy(self._log_prior)
        scale = self.model_.inputs.scale.log().sum().item()  # from the density of standardised values to that of x
        found = np.empty(len(table.x))
        with torch.no_grad():
            for begin in range(0, len(found), ITEMS_PER_SCORED_BATCH):
                rows = table.rows[begin : begin + ITEMS_PER_SCORED_BATCH]
                raw = table.values(rows).double()
                found[rows] = fixed_bound(self.model_, raw, log_prior).value.numpy() - scale
        return found

    def score(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
        """The share of the labelled rows whose prediction is their label; rows with the label -1 do not count.

        Raises:
            ValueError: no row has a label.
        """
        check_is_fitted(self)
        check_consistent_length(X, y)
        truth = np.asarray(y)
        labelled = ~is_unlabelled(truth)
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
            label: the class to draw from; None draws from all classes, in their proportions in the training rows.
            component: the component to draw from; None draws from all components of the class.
            noise: whether x is drawn from p(x | ...); False gives the mean, which suits images.
            random_state: seed, or generator, of the draws; None takes that of the estimator.

        Returns:
            X (n_samples, D) and the class of each row, y (n_samples,).

        Raises:
            ValueError: no component in use is of that class and has that number.
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

    def _answers(self, X: ArrayLike) -> tuple[NDArray[Any], NDArray[Any]]:
        """q(y | x) (N, K) and the means of q(z | x, y*) (N, Z)."""
        table = checked(self, X)
        return predict(self.model_, table, table.rows, np.float64)

    def _keep(self, fit: "Fit", in_use: NDArray[np.bool_]) -> Self:
        """Trains, and stores the results; `in_use` (K,) says which components had a class before."""
        bounds, owner, knowledge = fit.train()
        # In single precision, rounding would make the results of a row depend on the other rows of its batch. Features
        # are computed again in double precision too, so that `predict` gives for these rows what `transduction_` holds.
        model, labels = fit.state.model.cpu().double().eval(), fit.labels
        q_y = predict(model, replace(fit.table, features=None), fit.table.rows, np.float64)[0]
        position = class_of_component(q_y, owner, labels, in_use)
        classes = with_new(np.sort(labels.classes), int(position.max()) + 1 - len(labels.classes))
        predicted = classes[class_probabilities(q_y, position, len(classes)).argmax(axis=1)]
        known = labels.position >= 0
        predicted[known] = labels.classes[labels.position[known]]
        self.model_, self.bounds_, self.weights_ = model, bounds, q_y.mean(axis=0)
        self.classes_, self.new_classes_ = classes, classes[len(labels.classes) :]
        self.class_of_component_, self.transduction_ = position, predicted
        self._given_classes, self._owner = labels.classes, owner
        self._log_prior = knowledge.log_prior.cpu().double().numpy()
        return self

    def _sampled_components(self, label: object, component: int | None) -> NDArray[np.float64]:
        """(K,) the probability of drawing from each component."""
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
        weights = np.where(wanted, np.maximum(self.weights_, MIN_PROBABILITY), 0.0)
        return weights / weights.sum()
