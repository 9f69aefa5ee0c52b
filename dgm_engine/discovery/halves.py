"""A group of points in two parts, and whether it looks as if it were two groups."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from dgm_engine.discovery.sampling import evenly_spread

DIMENSIONS, PER_DIMENSION = 10, 20
"""Leading principal components that the parts are told apart by; fewer where there are not so many points for each."""
SAMPLE = 2_000
"""Points that the parts are found on."""
TWO = 3.75
"""Parts further apart than this look like two groups. Of 60,000 images of MNIST in 20 clusters, none of the 19 of a
single digit reached 3.5, the one of several had 4.9, and all 161 pairs of clusters of two digits were further apart."""
LEAST, LEAST_SHARE = 100, 0.05
"""Of fewer points, or where the smaller part has a smaller share of them, nothing is said: a few outliers, no group."""
STEPS, CONVERGED = 100, 1e-3
"""Of the mixture's fit."""


@dataclass(frozen=True)
class Halves:
    """A group in two parts.

    Attributes:
        second: (N,) bool, the points of the smaller part.
        separation: how far apart the parts are where they are told apart best: Ashman's D, the distance of their means
            over the root mean square of their standard deviations. One Gaussian cut in two has about 3.
    """

    second: np.ndarray
    separation: float

    @property
    def two_like(self) -> bool:
        """Whether the group looks like two."""
        large = len(self.second) >= LEAST and self.second.mean() >= LEAST_SHARE
        return bool(large and self.separation > TWO)


def halves(z: np.ndarray, known: np.ndarray | None = None) -> Halves:
    """Parts a group by a mixture of two Gaussians on the leading principal components of a sample of it.

    There is no randomness: the same points have the same parts. Where the mixture needs but one Gaussian, the parts are
    two equal ones across the longest axis.

    Args:
        z: (N, Z), at least two points.
        known: (n,) those that the parts are found on, at least two; None stands for all of them.
    """
    z = z.astype(np.float64)
    known = np.arange(len(z)) if known is None else known
    sample = known[evenly_spread(len(known), SAMPLE)]
    centre = z[sample].mean(axis=0)
    variance, axes = np.linalg.eigh(_covariance(z[sample]))
    n_dimensions = min(DIMENSIONS, 1 + len(sample) // PER_DIMENSION, z.shape[1])
    points = (z - centre) @ axes[:, ::-1][:, :n_dimensions]  # (N, d), the longest axis first
    noise = 1e-4 * variance[-1] + 1e-9
    second = _log_odds(points, points[sample], noise) > 0
    if not 0 < second.sum() < len(z):
        second = np.argsort(np.argsort(points[:, 0], kind="stable"), kind="stable") >= (len(z) + 1) // 2
    if 2 * second.sum() > len(z):
        second = ~second
    return Halves(second, _separation(points, second, noise))


def _log_odds(points: np.ndarray, sample: np.ndarray, noise: float) -> np.ndarray:
    """(N,) of the second Gaussian against the first at points (N, d), in a mixture of two fitted to a sample (n, d).

    Both begin as the halves across the longest axis. scikit-learn's mixture finds the same, but a page that shows
    clusters would wait over a second for its import.
    """
    weight = (sample[:, 0] > 0).astype(np.float64)
    for _ in range(STEPS):
        before, weight = weight, expit(_fitted_log_odds(sample, sample, weight, noise))
        if np.abs(weight - before).mean() < CONVERGED:
            break
    return _fitted_log_odds(points, sample, weight, noise)


def _fitted_log_odds(points: np.ndarray, sample: np.ndarray, weight: np.ndarray, noise: float) -> np.ndarray:
    """(N,) at points (N, d), after one fit to a sample (n, d) that is of the second Gaussian with weights (n,)."""
    return _log_density(points, sample, weight, noise) - _log_density(points, sample, 1 - weight, noise)


def _log_density(points: np.ndarray, sample: np.ndarray, weight: np.ndarray, noise: float) -> np.ndarray:
    """(N,) up to a constant, at points (N, d): of the Gaussian with the moments and the mass of a weighted sample."""
    mass = weight.sum() + np.finfo(np.float64).tiny
    mean = weight @ sample / mass
    centred = sample - mean
    root = np.linalg.cholesky((weight * centred.T) @ centred / mass + noise * np.eye(sample.shape[1]))
    scaled = (points - mean) @ np.linalg.inv(root).T  # (N, d)
    return np.log(mass) - np.log(np.diagonal(root)).sum() - 0.5 * (scaled**2).sum(axis=1)


def _separation(points: np.ndarray, second: np.ndarray, noise: float) -> float:
    """Ashman's D of two parts of points (N, d) on Fisher's discriminant between them."""
    parts = points[~second], points[second]
    between = parts[1].mean(axis=0) - parts[0].mean(axis=0)
    inside = [_covariance(part) + noise * np.eye(points.shape[1]) for part in parts]
    axis = np.linalg.solve(sum(len(part) / len(points) * own for part, own in zip(parts, inside, strict=True)), between)
    spread = np.mean([axis @ own @ axis for own in inside])
    return float(axis @ between / np.sqrt(spread)) if spread else 0.0


def _covariance(points: np.ndarray) -> np.ndarray:
    """(d, d) of points (N, d)."""
    return np.atleast_2d(np.cov(points.T, bias=True))
