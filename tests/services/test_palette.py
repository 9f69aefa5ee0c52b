"""The thirty colours, as people with and without a colour deficiency see them."""

import numpy as np
import pytest

from dgm_engine.services.palette import CLUSTER_COLOURS, NO_CLASS_COLOUR, class_colour, class_colours, cluster_colour

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
    rgb = np.array([[int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)] for colour in CLUSTER_COLOURS])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(linear @ np.array(SIGHT[sight]).T, 0, 1)
    lab = np.cbrt(seen @ np.array(TO_LMS).T) @ np.array(TO_LAB).T  # OKLab
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=-1) + np.eye(len(lab))

    assert len(CLUSTER_COLOURS) == 30
    assert distance.min() > 0.05


def test_a_class_has_the_colour_of_its_number_and_keeps_it_while_others_come() -> None:
    few = class_colours({"a": 7, "b": 7, "c": 31})
    assert few == {"a": cluster_colour(7), "b": cluster_colour(8), "c": CLUSTER_COLOURS[1]}
    assert class_colours({"a": 7, "b": 7, "c": 31, "d": 8}).items() >= few.items()
    assert class_colour("a", few) == cluster_colour(7)
    assert class_colour("", few) == class_colour("unheard of", few) == NO_CLASS_COLOUR


def test_up_to_thirty_classes_have_colours_of_their_own() -> None:
    assert len(set(class_colours({f"{n}": 3 for n in range(30)}).values())) == 30
    assert len(class_colours({f"{n}": 3 for n in range(40)})) == 40
