"""Divides a group of points in two, and tells whether it looks like two groups."""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from dgm_engine.discovery.sampling import evenly_spread

MAX_MIXTURE_DIMENSIONS, POINTS_PER_DIMENSION = 10, 20
"""The mixture is fitted in this many leading principal components at most, and needs this many points for each."""
MAX_POINTS_FITTED = 2_000
"""Points that the mixture is fitted to, at most."""
MIN_SEPARATION = 3.75
"""Parts further apart than this look like two groups. With 60,000 images of MNIST in 20 clusters, none of the 19
clusters of a single digit reached 3.5, the cluster of several had 4.9, and all 161 pairs of clusters of two digits had
more."""
MIN_POINTS, MIN_PART_SHARE = 100, 0.05
"""A group looks like two only if it has this many points and its smaller part this share of them: outliers are no
group."""
MAX_ITERATIONS, TOLERANCE = 100, 1e-3
"""The mixture's fit ends after this many iterations, or once the mean change of the weights is below the tolerance."""


@dataclass(frozen=True)
class Halves:
    """A group in two parts.

    Attributes:
        second: (N,) bool, the points of the smaller part.
        separation: Ashman's D along the axis that separates the parts best: the distance of their means over the root
            mean square of their standard deviations. One Gaussian cut in two has about 3.
    """

    second: np.ndarray
    separation: float

    @property
    def two_like(self) -> bool:
        """Whether the group looks like two groups."""
        large = len(self.second) >= MIN_POINTS and self.second.mean() >= MIN_PART_SHARE
        return bool(large and self.separation > MIN_SEPARATION)


def halves(z: np.ndarray, known: np.ndarray | None = None) -> Halves:
    """Divides a group by a mixture of two Gaussians in the leading principal components of a sample of it.

    The result is deterministic. If the mixture uses only one Gaussian, the group is cut into two equal parts across its
    longest axis.

    Args:
        z: (N, Z), at least two points.
        known: (n,) rows that the mixture may be fitted to, at least two; None for all rows.
    """
    z = z.astype(np.float64)
    known = np.arange(len(z)) if known is None else known
    sample = known[evenly_spread(len(known), MAX_POINTS_FITTED)]
    centre = z[sample].mean(axis=0)
    variance, axes = np.linalg.eigh(_covariance(z[sample]))
    n_dimensions = min(MAX_MIXTURE_DIMENSIONS, 1 + len(sample) // POINTS_PER_DIMENSION, z.shape[1])
    points = (z - centre) @ axes[:, ::-1][:, :n_dimensions]  # (N, d), the longest axis first
    noise = 1e-4 * variance[-1] + 1e-9
    second = _log_odds(points, points[sample], noise) > 0
    if not 0 < second.sum() < len(z):
        second = np.argsort(np.argsort(points[:, 0], kind="stable"), kind="stable") >= (len(z) + 1) // 2
    if 2 * second.sum() > len(z):
        second = ~second
    return Halves(second, _separation(points, second, noise))


def _log_odds(points: np.ndarray, sample: np.ndarray, noise: float) -> np.ndarray:
    """(N,) log-odds of the second Gaussian against the first at points (N, d), after a fit to a sample (n, d).

    The fit starts from the halves across the longest axis. scikit-learn's mixture finds the same, but its import would
    delay a page that shows clusters by over a second.
    """
    weight = (sample[:, 0] > 0).astype(np.float64)
    for _ in range(MAX_ITERATIONS):
        before, weight = weight, expit(_fitted_log_odds(sample, sample, weight, noise))
        if np.abs(weight - before).mean() < TOLERANCE:
            break
    return _fitted_log_odds(points, sample, weight, noise)


def _fitted_log_odds(points: np.ndarray, sample: np.ndarray, weight: np.ndarray, noise: float) -> np.ndarray:
    """(N,) log-odds at points (N, d) after one M-step on a sample (n, d); weights (n,) are of the second Gaussian."""
    return _log_density(points, sample, weight, noise) - _log_density(points, sample, 1 - weight, noise)


def _log_density(points: np.ndarray, sample: np.ndarray, weight: np.ndarray, noise: float) -> np.ndarray:
    """(N,) log-density plus a constant at points (N, d): a Gaussian with a weighted sample's moments and mass."""
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
    """(d, d) covariance of points (N, d)."""
    return np.atleast_2d(np.cov(points.T, bias=True))
