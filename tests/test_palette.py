"""The thirty colours, as people with and without a colour deficiency see them."""

import numpy as np
import pytest

from dgm_engine.services.palette import DISTINCT, UNKNOWN, class_colour, cluster_colour

# Machado, Oliveira and Fernandes (2009), severity 1, on linear RGB
SIGHT = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
}
TO_LMS = [[0.412221, 0.536333, 0.051446], [0.211903, 0.6807, 0.107397], [0.088302, 0.281719, 0.629979]]
TO_LAB = [[0.210454, 0.793618, -0.004072], [1.977998, -2.428592, 0.450594], [0.025904, 0.782772, -0.808676]]


@pytest.mark.parametrize("sight", SIGHT)
def test_all_colours_stay_apart(sight: str) -> None:
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in DISTINCT])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    lab = np.cbrt(seen @ np.array(TO_LMS).T) @ np.array(TO_LAB).T  # OKLab
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + np.eye(len(lab))

    assert len(DISTINCT) == 30
    assert distance.min() > 0.05


def test_a_class_keeps_its_colour_while_others_come() -> None:
    assert class_colour("b", ["a", "b"]) == class_colour("b", ["a", "b", "c"]) == DISTINCT[1]
    assert class_colour("", ["a"]) == UNKNOWN
    assert cluster_colour(31) == DISTINCT[1]
