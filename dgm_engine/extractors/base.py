"""What every extractor states."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Extractor(Protocol):
    """Features of images, which q(y | x) and the clustering start see beside the pixels.

    They are made of raw values, never of what a model keeps of these (`nn.InputMap`): so the features that a pool is
    trained on, those of a new image and those inside an exported graph are the same.
    """

    @property
    def version(self) -> int:
        """Of the features; a project's stored ones of another version are made anew."""
        ...

    @property
    def stored_as(self) -> str:
        """How the names of the files begin that hold the features of a pool."""
        ...

    @property
    def doing(self) -> str:
        """What a person reads while a pool is described."""
        ...

    @property
    def exportable(self) -> bool:
        """Whether `describe` can become part of an ONNX graph."""
        ...

    def n_features(self, shape: tuple[int, ...]) -> int:
        """F, the features of an image of shape (H, W, C)."""
        ...

    def describe(self, images: "Tensor") -> "Tensor":
        """(B, F) of images (B, C, H, W) in [0, 1]; each row depends on its own image alone."""
        ...
