"""An ONNX classifier at work."""

from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from dgm_engine.errors import CorruptError
from dgm_engine.export.folder import Classifier
from dgm_engine.training.ownership import ClassPosterior

BATCH_BYTES = 4 * 2**20
"""Inputs that are computed together: this bounds the memory for items of any size."""


class OnnxClassifier:
    """The graph of `dgm_engine.export.graph`, run by onnxruntime.

    Args:
        model: the bytes of the ONNX file. From bytes, onnxruntime refuses weights outside of them.
        classifier: what it takes and tells apart.

    Raises:
        CorruptError: it cannot be loaded.
    """

    def __init__(self, model: bytes, classifier: Classifier) -> None:
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # errors come as exceptions
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")  # the decoder wants the processor too
        try:
            self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        except Exception as error:  # onnxruntime's errors have no common class but this
            raise CorruptError(f"the classifier cannot be loaded ({error}); export it again") from error
        self._classifier = classifier
        item = int(np.prod(classifier.shape)) * (1 if classifier.is_images else 4)
        self.batch_size = max(1, min(1024, BATCH_BYTES // item))

    def __call__(self, values: NDArray[Any]) -> ClassPosterior:
        """The posterior at (n, H, W, C) uint8 images or (n, D) float32 features, n at most `batch_size`."""
        probability, p_new, _ = self._session.run(None, {self._classifier.input_name: np.ascontiguousarray(values)})
        return ClassPosterior(self._classifier.classes, np.asarray(probability), np.asarray(p_new))
