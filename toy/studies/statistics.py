"""Means and shares over seeds, with 95 % intervals."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest


def mean_interval(
    values: NDArray[np.float64], *, resamples: int = 2000
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Mean over seeds and its 95 % bootstrap interval (percentiles of means of seeds drawn with replacement).

    No shape of distribution is assumed: a seed's accuracy is either that of a shortcut or that of a sound path.

    Args:
        values: ``[..., seeds]``.
        resamples: bootstrap samples; always the same ones, so that a table does not change when it is made again.

    Returns:
        Mean, lower and upper bound, ``[...]`` each. With a single seed all three are its value.

    Example:
        >>> mean_interval(np.array([0.6, 0.6, 0.9, 0.9]))[0].item()
        0.75
    """
    low, high = np.quantile(values @ _shares(values.shape[-1], resamples), [0.025, 0.975], axis=-1)
    return values.mean(-1), low, high


def share_interval(found: int, of: int) -> tuple[float, float]:
    """Wilson's 95 % interval of a share: a coin, of which 32 heads in 32 tosses do not say that it has no tail.

    Args:
        found: how many.
        of: of how many.

    Returns:
        Lower and upper bound.

    Reference:
        Wilson (1927), Probable inference, the law of succession, and statistical inference.

    Example:
        >>> [round(bound, 3) for bound in share_interval(32, 32)]
        [0.893, 1.0]
    """
    interval = binomtest(found, of).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


@cache
def _shares(seeds: int, resamples: int) -> NDArray[np.float64]:
    """Share of each seed in each bootstrap sample, ``[seeds, resamples]``."""
    counts = np.random.default_rng(0).multinomial(seeds, np.full(seeds, 1.0 / seeds), size=resamples)
    return np.ascontiguousarray(counts.T / seeds)
