"""Configurations: frozen dataclasses that validate their fields and convert to JSON and back."""

import math
from dataclasses import asdict, dataclass, fields, replace
from enum import StrEnum
from typing import Any, Self

from dgm_engine.errors import InputError

HOG = "hog"
"""The extractor of preset `fast`: oriented gradients (`dgm_engine.extractors.hog`)."""


class ModelName(StrEnum):
    """The models that can be trained; the modules in `dgm_engine.models` are named after the values."""

    GM_DGM = "gm-dgm", "p(y) p(z | y) p(x | z)", "a mixture of Gaussians, the default"
    AGM_DGM = "agm-dgm", "p(y) p(z | y) p(x | z) p(a | x, y, z)", "with an auxiliary latent; more flexible, slower"
    M2 = "m2", "p(y) p(z) p(x | y, z)", "no mixture; for comparison, it tends to lose classes without labels"
    ADGM = "adgm", "p(y) p(z) p(x | y, z) p(a | x, y, z)", "M2 with an auxiliary latent; for comparison"

    generative: str
    """The factorisation of the generative model."""
    help: str
    """The description on the screen."""

    def __new__(cls, value: str, generative: str, help_: str) -> Self:
        """A member that is a string with further attributes."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.generative, member.help = generative, help_
        return member

    @property
    def acronym(self) -> str:
        """The name in capital letters, as in the paper."""
        return self.value.upper()

    @property
    def auxiliary(self) -> bool:
        """Whether the model has an auxiliary latent a."""
        return "p(a |" in self.generative


class LikelihoodName(StrEnum):
    """The family of p(x | ...), or of an auxiliary latent."""

    BERNOULLI = "bernoulli"
    GAUSSIAN = "gaussian"


class Preset(StrEnum):
    """A named set of training settings."""

    FAST = "fast"
    PAPER = "paper"


@dataclass(frozen=True)
class _Config:
    """Conversion to JSON and back for the configurations below."""

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return asdict(self)

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """The configuration that `to_json` wrote.

        Raises:
            InputError: a field is unknown or has a value that is not allowed.
        """
        unknown = sorted(set(value) - {f.name for f in fields(cls)})
        if unknown:
            raise InputError(f"{cls.__name__} does not know {', '.join(unknown)}; remove it or update the program")
        return cls(**value)

    def replaced(self, **changes: object) -> Self:
        """A copy with some fields changed, validated again."""
        return replace(self, **changes)


@dataclass(frozen=True)
class ModelConfig(_Config):
    """The shape of a model; two runs can share weights only if their shapes are equal.

    Attributes:
        n_features: D, the length of x.
        n_components: K, the number of mixture components.
        likelihood: the family of p(x | ...).
        name: the factorisation.
        n_latent: Z, the length of z.
        n_auxiliary: A, the length of a; models without a ignore it.
        auxiliary: the family of q(a | x) and p(a | x, y, z). The paper pairs a Gaussian q(a | x) (Eq. 18) with a
            Bernoulli p(a | x, y, z) (Eq. 16), which is no density of real values; so both are of one family here.
        n_hidden: units in each hidden layer.
        n_layers: hidden layers in each network (p(z | y) has none).
        image_shape: (H, W, C) if x are images in [0, 1]; None if they are feature vectors.
        extractor: the extractor (`dgm_engine.extractors`) whose features of the images q(y | x) sees beside x; None if
            it sees only x, as in the paper.
    """

    n_features: int
    n_components: int
    likelihood: LikelihoodName
    name: ModelName = ModelName.GM_DGM
    n_latent: int = 50
    n_auxiliary: int = 100
    auxiliary: LikelihoodName = LikelihoodName.GAUSSIAN
    n_hidden: int = 500
    n_layers: int = 2
    image_shape: tuple[int, ...] | None = None
    extractor: str | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "likelihood", LikelihoodName(self.likelihood))
        object.__setattr__(self, "name", ModelName(self.name))
        object.__setattr__(self, "auxiliary", LikelihoodName(self.auxiliary))
        _at_least(self, 1, "n_features", "n_latent", "n_auxiliary", "n_hidden", "n_layers")
        _at_least(self, 2, "n_components")
        if self.image_shape is not None:
            object.__setattr__(self, "image_shape", tuple(self.image_shape))  # JSON has lists
            if len(self.image_shape) != 3 or math.prod(self.image_shape) != self.n_features:
                raise InputError(
                    f"image_shape is {self.image_shape}; it must be (H, W, C) with a product of {self.n_features}"
                )
        elif self.extractor is not None:
            raise InputError(f"extractor is {self.extractor!r} and there is no image_shape; it describes images alone")

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Reads what `to_json` wrote; earlier versions gave a shape only to models that saw oriented gradients."""
        earlier = {} if value.get("image_shape") is None else {"extractor": HOG}
        return super().from_json({**earlier, **value})

    @property
    def hidden(self) -> list[int]:
        """The units of each hidden layer of a network."""
        return [self.n_hidden] * self.n_layers


@dataclass(frozen=True)
class TrainingConfig(_Config):
    """How a model is trained. Preset `paper` sets the weights of terms that the paper does not have to zero.

    Attributes:
        preset: the origin of the other defaults.
        seed: the seed of all random draws of the run.
        max_epochs: passes over the pool, a fraction in a short run; None: `max_minutes`, or the preset, sets the end.
        max_minutes: time budget, which includes the start except for its grouping and its search for neighbours, but
            not live maps and other work done every few seconds; None: `max_epochs` sets the end. On a CPU it counts
            only the CPU time of training. That varies even so: only `max_epochs` gives exactly the same model again.
        batch_size: unlabelled items per step.
        labelled_batch_size: items with a label or a rejection per step.
        n_samples: S, Monte Carlo draws of z (and of a) per item and component.
        learning_rate: Adam's learning rate at the start.
        warm_up_steps: steps over which the learning rate rises to `learning_rate`. Adam's first steps are large for any
            gradient: within five of them, a clustering of photographs into 40 collapsed to a few clusters, which mixed
            up the images under names given at first sight.
        retrain_rate: factor of the learning rate in a run that continues a finished one: it keeps what that learned.
        learning_rate_decay: factor of the learning rate every 200 epochs (the authors' released code); None: it falls
            along a cosine to almost nothing at the end of the run.
        gradient_clip: largest absolute value of an element of a gradient (the authors' released code).
        full_weight_from: number of labelled items at which their part of the objective has its full weight, as in the
            paper; the weight of fewer is in proportion. Otherwise one label would weigh as much as a whole batch: with
            one label, a run of 1,000 photographs lost 14 of 20 clusters within a pass.
        classification_weight: alpha of the objective (docs/architecture.md); None is Kingma's 0.1 N / N_labelled.
        consistency_weight: weight of the agreement of q(y | x) with itself under small shifts, turns and zooms of x.
        neighbour_weight: weight of the agreement of q(y | x) with q(y | x'), x' a neighbour of x by the extractor's
            features (or by x), changed as above. It keeps groups together and spreads labels to similar images.
        mutual_information_weight: weight of KL(batch mean of q(y | x) || p(y)).
        exact_components: m; the bound is an exact sum over the m most probable components of an item, and a draw from
            the others. 0 sums over all components.
        extractor: `ModelConfig.extractor` of a new model; the clustering start sees its features too.
        clustering_start: whether a fresh model starts from a clustering instead of random weights.
        several_components: whether labelled examples may give their class more components than one.
        output_scale: standard deviation of the initial weights of output layers.
        weight_decay: precision of the Gaussian prior of all weights; biases have none.
        min_pixel_std: the model leaves out pixels whose standard deviation over a sample of the pool is at most this.
        binarise: draw each pixel as 0 or 1 in each batch; otherwise score the expectation: the same mean, less noise.
        bfloat16: use bfloat16 for matrix products if the processor is faster at it; long sums stay in float32.
        n_classes: N_gt of the prior (Eq. 34-35), if the person knows it; None makes p(y) uniform.
        held_out_fraction: share of the labels that training does not use, to test the model.
        checked_fraction: share of the labels that training does not use, to compare runs; only of classes with many.
    """

    preset: Preset = Preset.FAST
    seed: int = 0
    max_epochs: float | None = None
    max_minutes: float | None = None
    batch_size: int = 256
    labelled_batch_size: int = 64
    n_samples: int = 1
    learning_rate: float = 1e-3
    warm_up_steps: int = 25
    retrain_rate: float = 0.5
    learning_rate_decay: float | None = None
    gradient_clip: float | None = None
    full_weight_from: int = 32
    classification_weight: float | None = 30.0
    consistency_weight: float = 30.0
    neighbour_weight: float = 30.0
    mutual_information_weight: float = 30.0
    exact_components: int = 1
    extractor: str | None = HOG
    clustering_start: bool = True
    several_components: bool = True
    output_scale: float = 0.01
    weight_decay: float = 0.0
    min_pixel_std: float = 0.0
    binarise: bool = False
    bfloat16: bool = True
    n_classes: int | None = None
    held_out_fraction: float = 0.0
    checked_fraction: float = 0.05

    def __post_init__(self) -> None:
        object.__setattr__(self, "preset", Preset(self.preset))
        if int(self.seed) != self.seed:
            raise InputError(f"seed is {self.seed}; it must be a whole number")
        _at_least(self, 1, "batch_size", "labelled_batch_size", "n_samples", "full_weight_from")
        _at_least(self, 0, "seed", "warm_up_steps", "exact_components", "weight_decay", "min_pixel_std")
        _at_least(self, 0, "consistency_weight", "neighbour_weight", "mutual_information_weight")
        _at_least(self, 0, "held_out_fraction", "checked_fraction")
        _above_zero(self, "learning_rate", "retrain_rate", "output_scale", "max_epochs", "max_minutes", "n_classes")
        _above_zero(self, "classification_weight", "learning_rate_decay", "gradient_clip")
        for name in ("held_out_fraction", "checked_fraction"):
            if getattr(self, name) >= 1:
                raise InputError(f"{name} is {getattr(self, name)}; it must be below 1")

    @classmethod
    def from_json(cls, value: dict[str, Any]) -> Self:
        """Reads what `to_json` wrote; earlier versions held out no labels, and wrote `edges` for HOG as the extractor.

        Raises:
            InputError: as in the base class, or there is no such preset.
        """
        if "edges" in value:
            value = {**value, "extractor": HOG if value["edges"] else None}
            del value["edges"]
        try:
            usual = cls.for_preset(Preset(value.get("preset", Preset.FAST)), checked_fraction=0.0).to_json()
        except ValueError as error:
            raise InputError(f"there is no preset {value['preset']!r}; there are {', '.join(Preset)}") from error
        return super().from_json({**usual, **value})

    @classmethod
    def for_preset(cls, preset: Preset, **changes: object) -> Self:
        """The settings of a preset, with some of them changed."""
        return cls(preset=preset).replaced(**(_PAPER if preset is Preset.PAPER else {})).replaced(**changes)


BOUND_ALONE: dict[str, object] = {"consistency_weight": 0.0, "neighbour_weight": 0.0, "mutual_information_weight": 0.0}
"""Settings that leave only the paper's objective."""

_PAPER: dict[str, object] = {
    **BOUND_ALONE,
    "max_epochs": 2000,
    "batch_size": 100,
    "labelled_batch_size": 100,
    "n_samples": 2,
    "learning_rate": 3e-4,
    "warm_up_steps": 0,
    "retrain_rate": 1.0,
    "learning_rate_decay": 0.75,
    "gradient_clip": 1.0,
    "full_weight_from": 1,
    "classification_weight": None,
    "exact_components": 0,
    "extractor": None,
    "clustering_start": False,
    "several_components": False,
    "checked_fraction": 0.0,
    "output_scale": 0.001,
    "weight_decay": 1.0,
    "min_pixel_std": 0.1,
    "binarise": True,
    "bfloat16": False,
}


def batches_per_epoch(n_items: int, batch_size: int) -> int:
    """The number of batches in a pass over `n_items` items; a last batch that is less than half full is left out."""
    whole, rest = divmod(n_items, batch_size)
    return max(1, whole + (2 * rest >= batch_size))


def _at_least(config: object, bound: float, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value < bound:
            raise InputError(f"{name} is {value}; it must be at least {bound}")


def _above_zero(config: object, *names: str) -> None:
    for name in names:
        value = getattr(config, name)
        if value is not None and value <= 0:
            raise InputError(f"{name} is {value}; it must be above 0, or left out")
