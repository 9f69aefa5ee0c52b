"""The classifier as an ONNX graph, from raw pixels to the probabilities of classes."""

import warnings
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor, nn

from dgm_engine.export.folder import Classifier
from dgm_engine.models.base import DeepGenerativeModel

OPSET = 18
IR_VERSION = 8  # the pair that ONNX 1.13 and every onnxruntime since 1.14 (2023) read
OUTPUT_NAMES = ("class_probabilities", "p_new", "component_probabilities")


class ClassifierGraph(nn.Module):
    """q(class | x): preprocessing, q(y | x), and its sums over the components of each class."""

    members: Tensor

    def __init__(self, model: DeepGenerativeModel, classifier: Classifier) -> None:
        super().__init__()
        self.model = model
        self.top = 255 if classifier.is_images else 1
        self.register_buffer("members", _members(classifier.owner, classifier.classes))

    def forward(self, values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """The outputs named in `OUTPUT_NAMES`, (N, C), (N,) and (N, K), at (N, H, W, C) uint8 or (N, D) float32."""
        q_y = self.model.classify(values.flatten(1).float() / self.top)
        total = q_y @ self.members  # (N, C + 1)
        total = total / total.sum(1, keepdim=True).clamp(min=torch.finfo(total.dtype).tiny)
        return total[:, :-1], total[:, -1], q_y


def to_onnx(model: DeepGenerativeModel, classifier: Classifier) -> bytes:
    """The graph as an ONNX file with all weights inside; N is dynamic."""
    import onnx
    from onnx_ir.passes.common import ClearMetadataAndDocStringPass

    dtype = torch.uint8 if classifier.is_images else torch.float32
    with warnings.catch_warnings():
        # torch 2.13 uses a class of its own that it deprecates.
        warnings.filterwarnings("ignore", r"`isinstance\(treespec, LeafSpec\)`", FutureWarning)
        program = torch.onnx.export(
            ClassifierGraph(model, classifier).eval(),
            (torch.zeros(2, *classifier.shape, dtype=dtype),),
            dynamo=True,
            verbose=False,
            external_data=False,
            opset_version=OPSET,
            input_names=[classifier.input_name],
            output_names=OUTPUT_NAMES,
            dynamic_shapes=({0: torch.export.Dim("N")},),
        )
    program = cast("torch.onnx.ONNXProgram", program)
    ClearMetadataAndDocStringPass()(program.model)  # it holds stack traces, with paths of this machine
    program.model.ir_version = IR_VERSION
    data = program.model_proto.SerializeToString()
    onnx.checker.check_model(data, full_check=True)
    return data


def _members(owner: Sequence[str | None], classes: Sequence[str]) -> Tensor:
    """(K, C + 1): which components each class has; the last column is that of the components without one."""
    return torch.tensor([[name == c for c in (*classes, None)] for name in owner], dtype=torch.float32)
