"""The protocol of feature extractors."""

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from torch import Tensor


class Extractor(Protocol):
    """Features of images, which q(y | x) and the clustering start use beside the pixels.

    They are computed from raw values, never from the model's input (`nn.InputMap`), so that they are the same for the
    pool in training, for a new image and inside an exported graph.
    """

    @property
    def version(self) -> int:
        """The version of the features; features that a project stored in another version are computed again."""
        ...

    @property
    def stored_as(self) -> str:
        """The beginning of the names of the files that store a pool's features."""
        ...

    @property
    def doing(self) -> str:
        """The text on the screen while a pool's features are computed."""
        ...

    @property
    def exportable(self) -> bool:
        """Whether `describe` can become part of an ONNX graph."""
        ...

    def n_features(self, shape: tuple[int, ...]) -> int:
        """F, the number of features of an image of shape (H, W, C)."""
        ...

    def describe(self, images: "Tensor") -> "Tensor":
        """(B, F) features of images (B, C, H, W) in [0, 1]; each row depends on its own image alone."""
        ...
