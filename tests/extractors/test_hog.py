"""Histograms of oriented gradients: against loops in numpy, and what they are there for."""

import numpy as np
import pytest
import torch

from dgm_engine.extractors.hog import CELL_PIXELS, N_ORIENTATIONS, SIDE_PIXELS, hog, n_hog_features

N_CELLS = SIDE_PIXELS // CELL_PIXELS


def reference(image: np.ndarray) -> np.ndarray:
    """(8 + C, 8, 8) of one image (C, 32, 32), pixel by pixel."""
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1)), mode="edge")
    strength = np.zeros((N_ORIENTATIONS, N_CELLS, N_CELLS))
    for row in range(SIDE_PIXELS):
        for column in range(SIDE_PIXELS):
            across = padded[:, row + 1, column + 2] - padded[:, row + 1, column]
            down = padded[:, row + 2, column + 1] - padded[:, row, column + 1]
            channel = np.argmax(np.hypot(across, down))
            edge, angle = np.hypot(across, down)[channel], np.arctan2(down[channel], across[channel])
            for bin_ in range(N_ORIENTATIONS):
                between = np.cos(angle - bin_ * np.pi / N_ORIENTATIONS)
                nearest = np.cos(np.pi / N_ORIENTATIONS)
                share = max(abs(between) - nearest, 0) / (1 - nearest) * edge
                if not share:
                    continue
                for i in range(N_CELLS):
                    for j in range(N_CELLS):
                        away = [abs(row - (CELL_PIXELS * i + 1.5)), abs(column - (CELL_PIXELS * j + 1.5))]
                        strength[bin_, i, j] += share * np.prod(
                            [max(1 - d / CELL_PIXELS, 0) / CELL_PIXELS for d in away]
                        )
    relative = np.zeros_like(strength)
    for i in range(N_CELLS):
        for j in range(N_CELLS):
            around = strength[:, max(i - 1, 0) : i + 2, max(j - 1, 0) : j + 2]
            relative[:, i, j] = strength[:, i, j] / (np.sqrt((around**2).sum(0).mean()) + 0.05)
    means = image.reshape(len(image), N_CELLS, CELL_PIXELS, N_CELLS, CELL_PIXELS).mean((2, 4))
    return np.concatenate([np.sqrt(relative + 1e-4), means])


@pytest.fixture
def images():
    from sklearn.datasets import load_digits

    return torch.from_numpy(load_digits().images[:100, None] / 16)


@pytest.mark.parametrize("channels", [1, 3])
def test_features_are_those_of_the_definition(channels):
    image = np.random.default_rng(0).random((channels, SIDE_PIXELS, SIDE_PIXELS))
    found = hog(torch.from_numpy(image)[None]).reshape(-1, N_CELLS, N_CELLS)
    assert found.numel() == n_hog_features(channels)
    np.testing.assert_allclose(found, reference(image), atol=1e-9)


def test_an_edge_is_told_by_its_direction():
    """A gradient across goes to orientation 0, one down to 4, one between to 2."""
    ramp = torch.linspace(0, 1, SIDE_PIXELS, dtype=torch.float64)
    images = torch.stack(
        [
            ramp.expand(SIDE_PIXELS, SIDE_PIXELS),
            ramp[:, None].expand(SIDE_PIXELS, SIDE_PIXELS),
            (ramp[:, None] + ramp) / 2,
        ]
    )
    found = hog(images[:, None]).view(3, N_ORIENTATIONS + 1, -1)[:, :N_ORIENTATIONS, 27]  # a cell off the border
    assert found.argmax(1).tolist() == [0, 4, 2]
    assert (found.sort(dim=1).values[:, :-1] < 0.011).all()


def test_every_item_has_one_answer_whatever_stands_beside_it(images):
    whole = hog(images)
    torch.testing.assert_close(whole[:7], hog(images[:7]))
    torch.testing.assert_close(whole[93:], hog(images[93:]))
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(hog(images.float()), whole.float(), atol=1e-4, rtol=0)


def test_contrast_and_a_small_shift_change_features_less_than_pixels(images):
    x = torch.nn.functional.interpolate(images, size=(SIDE_PIXELS, SIDE_PIXELS), mode="bilinear")

    def change(other, describe):
        """The distance to a changed copy, as a share of that to another image."""
        here, there = describe(x), describe(other)
        return float(((there - here).norm(dim=1) / (here.roll(1, 0) - here).norm(dim=1)).median())

    for other in (x / 2, x.roll(1, -1)):
        assert change(other, hog) < 0.75 * change(other, lambda value: value.flatten(1))


def test_flat_images_differ_by_brightness_and_colour_alone():
    flat = torch.tensor([[0.2, 0.2, 0.2], [0.9, 0.1, 0.5]])[..., None, None].expand(2, 3, 16, 16)
    found = hog(flat).view(2, N_ORIENTATIONS + 3, -1)
    assert (found[:, :N_ORIENTATIONS] < 0.011).all()
    torch.testing.assert_close(found[:, N_ORIENTATIONS:], flat[:, :, :1, 0].expand(2, 3, N_CELLS**2))
