"""Estimates with 95 % intervals, pass@k, and paired tests: what an evaluation reports about its problems."""

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

Draw = NDArray[np.int64]
"""Indices of the problems in one bootstrap sample."""


@dataclass(frozen=True)
class Estimate:
    """A value and its 95 % interval."""

    value: float
    low: float
    high: float

    def as_json(self) -> dict[str, float]:
        """The three numbers by name."""
        return asdict(self)

    def as_text(self, *, percent: bool = False) -> str:
        """The value with its interval: as "45.2 % [41.0, 49.5]", or "0.139 [0.131, 0.147]"."""
        if percent:
            return f"{100 * self.value:.1f} % [{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return f"{self.value:.3g} [{self.low:.3g}, {self.high:.3g}]"


def wilson_interval(correct: int, count: int) -> tuple[float, float]:
    """The 95 % Wilson interval of a share.

    Args:
        correct: Successes.
        count: Trials, at least 1.

    Returns:
        Lower and upper end, in [0, 1].

    Raises:
        ValueError: ``count`` is below 1, or ``correct`` is not in 0..count.

    Reference:
        Wilson, Probable Inference (1927), Eq. 5.
    """
    if count < 1 or not 0 <= correct <= count:
        raise ValueError(f"correct is {correct} of count {count}; expected 0 <= correct <= count and count >= 1.")
    interval = binomtest(correct, count).proportion_ci(method="wilson")
    return float(interval.low), float(interval.high)


def share(verdicts: Sequence[bool]) -> Estimate:
    """The share of right answers, one answer per problem, with its Wilson interval.

    Args:
        verdicts: One per problem, at least one.

    Returns:
        The estimate.
    """
    return Estimate(sum(verdicts) / len(verdicts), *wilson_interval(sum(verdicts), len(verdicts)))


def bootstrap(statistic: Callable[[Draw], float], count: int, *, resamples: int = 1000, seed: int = 0) -> Estimate:
    """A statistic of all problems, and the percentiles of it over problems drawn with replacement.

    Whole problems are drawn, since the responses to one problem are not independent of each other.

    Args:
        statistic: Of some problems, given by their indices, which may repeat.
        count: Problems, at least 1.
        resamples: Bootstrap samples.
        seed: Of the draws; the same one, so that a table does not change when it is made again.

    Returns:
        The estimate.

    Raises:
        ValueError: ``count`` is below 1.

    Reference:
        Efron and Tibshirani, An Introduction to the Bootstrap (1993), chapter 13.
    """
    if count < 1:
        raise ValueError(f"count is {count}; a bootstrap needs at least one problem.")
    draws = np.random.default_rng(seed).integers(count, size=(resamples, count))
    low, high = np.quantile([statistic(draw) for draw in draws], [0.025, 0.975])
    return Estimate(float(statistic(np.arange(count))), float(low), float(high))


def pass_at_k(correct: NDArray[np.int64], samples: int, k: int) -> NDArray[np.float64]:
    """The unbiased estimate of the chance that one of k responses is right: ``1 - C(n - c, k) / C(n, k)``.

    Args:
        correct: Right responses of each problem, c, ``[problems]``.
        samples: Responses to each problem, n.
        k: Responses that may be tried, 1 to n.

    Returns:
        One chance per problem, ``[problems]``.

    Raises:
        ValueError: ``k`` is not in 1..samples, or a count not in 0..samples.

    Reference:
        Chen et al., Evaluating Large Language Models Trained on Code (arXiv:2107.03374), Eq. 1.

    Example:
        >>> pass_at_k(np.array([0, 1, 4]), samples=4, k=2)
        array([0. , 0.5, 1. ])
    """
    if not 1 <= k <= samples:
        raise ValueError(f"k is {k}, but there are {samples} samples per problem; choose 1 <= k <= samples.")
    if correct.size and not (correct.min() >= 0 and correct.max() <= samples):
        raise ValueError(f"correct has {correct.min()} to {correct.max()}; expected 0 to {samples}, the samples.")
    chances = [1.0 - math.comb(samples - right, k) / math.comb(samples, k) for right in range(samples + 1)]
    return np.array(chances)[correct]


def mcnemar_p(only_first: int, only_second: int) -> float:
    """The exact two-sided p-value of McNemar's test: is either of two models right where the other is wrong more often?

    Args:
        only_first: Problems that only the first model has right.
        only_second: Problems that only the second has right.

    Returns:
        The p-value in (0, 1]; 1 where the models never differ.

    Raises:
        ValueError: A count is negative.

    Reference:
        McNemar (1947); the exact form is a sign test of the discordant pairs.

    Example:
        >>> mcnemar_p(0, 5)
        0.0625
    """
    if min(only_first, only_second) < 0:
        raise ValueError(f"counts are {only_first} and {only_second}; they must not be negative.")
    count = only_first + only_second
    tail = sum(math.comb(count, right) for right in range(min(only_first, only_second) + 1))
    return min(1.0, 2 * tail / (1 << count))
