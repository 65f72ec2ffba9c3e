import itertools

import numpy as np
import pytest

from toy.studies.statistics import mean_interval, share_interval


def test_the_interval_of_normal_data_has_the_known_width():
    values = np.random.default_rng(0).normal(size=(200, 50))
    mean, low, high = mean_interval(values)
    assert mean == pytest.approx(values.mean(-1))
    assert (high - low).mean() == pytest.approx(2 * 1.96 / 50**0.5, rel=0.05)
    assert np.mean((low < 0) & (high > 0)) == pytest.approx(0.94, abs=0.04)


@pytest.mark.parametrize("successes", [8, 40, 92])
def test_the_bounds_of_a_share_are_the_binomials_quantiles(successes):
    """Each bound on its own: a bootstrap mean of ones and zeros is a binomial count."""
    stats = pytest.importorskip("scipy.stats")
    values = np.zeros(100)
    values[:successes] = 1.0
    _, low, high = mean_interval(values, resamples=40_000)
    assert low == pytest.approx(stats.binom.ppf(0.025, 100, successes / 100) / 100, abs=0.0101)
    assert high == pytest.approx(stats.binom.ppf(0.975, 100, successes / 100) / 100, abs=0.0101)


def test_the_bounds_of_three_seeds_are_quantiles_over_all_their_resamples():
    values = np.array([0.0, 1.0, 5.0])
    means = [sum(drawn) / 3 for drawn in itertools.product(values, repeat=3)]
    _, low, high = mean_interval(values, resamples=200_000)
    assert (low, high) == pytest.approx(tuple(np.quantile(means, [0.025, 0.975], method="inverted_cdf")))


def test_the_bounds_are_the_outer_fortieths_of_the_bootstrap_means():
    values = np.array([0.1, 0.4, 0.2, 0.9, 0.35])
    counts = np.random.default_rng(0).multinomial(5, [0.2] * 5, size=2000)
    means = sorted(float(row @ values) / 5 for row in counts)
    mean, low, high = mean_interval(values)
    assert mean.item() == pytest.approx(0.39)
    assert means[49] - 1e-9 <= low <= means[50] + 1e-9  # of 2000, 50 lie below
    assert means[1949] - 1e-9 <= high <= means[1950] + 1e-9


def test_intervals_of_every_row_over_its_last_axis():
    values = np.random.default_rng(1).random((2, 3, 4))
    mean, low, high = mean_interval(values)
    assert mean.shape == low.shape == high.shape == (2, 3)
    for place in np.ndindex(2, 3):
        alone = mean_interval(values[place])
        assert (mean[place], low[place], high[place]) == pytest.approx(tuple(part.item() for part in alone))


def test_a_single_seed_has_no_width():
    assert [part.item() for part in mean_interval(np.array([0.3]))] == pytest.approx([0.3, 0.3, 0.3])


def test_a_table_does_not_change_when_it_is_made_again():
    values = np.random.default_rng(1).random(7)
    assert [part.item() for part in mean_interval(values)] == [part.item() for part in mean_interval(values.copy())]


@pytest.mark.parametrize(
    ("found", "of", "expected"), [(0, 32, (0.0, 0.1072)), (4, 32, (0.0497, 0.2807)), (32, 32, (0.8928, 1.0))]
)
def test_the_interval_of_a_share_is_wilsons(found, of, expected):
    """The bounds are the shares from which the one that was seen is 1.96 standard deviations away."""
    low, high = share_interval(found, of)
    assert (low, high) == pytest.approx(expected, abs=1e-4)
    for bound in (low, high):
        if 0 < bound < 1:
            assert abs(found / of - bound) == pytest.approx(1.959964 * (bound * (1 - bound) / of) ** 0.5, rel=1e-5)


def test_a_share_of_all_is_no_certainty():
    assert share_interval(1, 1)[0] == pytest.approx(0.2065, abs=1e-4)
    assert 0 < share_interval(1000, 1000)[0] < 1
