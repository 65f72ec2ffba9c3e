"""Intervals, pass@k and paired tests, against values by hand, scipy and simulation."""

from itertools import combinations

import numpy as np
import pytest
from scipy import stats

from full_scale.evaluation.intervals import Estimate, bootstrap, mcnemar_p, pass_at_k, share, wilson_interval


def test_wilson_interval_by_hand():
    # 5 of 10: centre 0.5, half width 1.96 sqrt(0.025 + 0.0096036) / 1.38415 = 0.26341
    assert wilson_interval(5, 10) == pytest.approx((0.236593, 0.763407), abs=1e-5)


@pytest.mark.parametrize(("correct", "count"), [(0, 7), (3, 7), (7, 7), (1, 500)])
def test_wilsons_bounds_are_shares_that_lie_1_96_deviations_from_what_was_seen(correct, count):
    for bound, extreme in zip(wilson_interval(correct, count), (correct == 0, correct == count), strict=True):
        deviation = (bound * (1 - bound) / count) ** 0.5
        assert abs(correct / count - bound) == pytest.approx(0.0 if extreme else 1.959964 * deviation, rel=1e-5)


def test_share_and_its_text():
    assert share([True, False] * 5).as_text(percent=True) == "50.0 % [23.7, 76.3]"
    assert Estimate(0.1394, 0.131, 0.147).as_text() == "0.139 [0.131, 0.147]"


def test_pass_at_k_is_the_share_of_subsets_with_a_right_response():
    for right in range(6):
        responses = [True] * right + [False] * (5 - right)
        for k in range(1, 6):
            subsets = list(combinations(responses, k))
            wanted = sum(map(any, subsets)) / len(subsets)
            assert pass_at_k(np.array([right]), samples=5, k=k) == pytest.approx(wanted, abs=1e-12)


def test_pass_at_k_is_unbiased_where_the_plug_in_estimate_is_not():
    chance, samples, k = 0.3, 6, 4
    rights = np.random.default_rng(0).binomial(samples, chance, size=200_000)
    truth = 1 - (1 - chance) ** k
    assert pass_at_k(rights, samples, k).mean() == pytest.approx(truth, abs=0.003)
    assert abs((1 - (1 - rights / samples) ** k).mean() - truth) > 0.02


def test_bootstrap_equals_scipy():
    values = np.random.default_rng(1).normal(size=60)
    wanted = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=20_000, rng=0).confidence_interval
    found = bootstrap(lambda draw: values[draw].mean(), 60, resamples=20_000)
    assert found.value == values.mean()
    assert (found.low, found.high) == pytest.approx((wanted.low, wanted.high), abs=0.01)
    assert bootstrap(lambda draw: values[draw].mean(), 60) == bootstrap(lambda draw: values[draw].mean(), 60)


def test_bootstrap_of_one_problem_has_no_width():
    assert bootstrap(lambda draw: float(draw.sum()), 1) == Estimate(0.0, 0.0, 0.0)


@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 5), (5, 0), (10, 10), (12, 4), (700, 800)])
def test_mcnemar_equals_the_sign_test(first, second):
    wanted = stats.binomtest(first, first + second).pvalue if first + second else 1.0
    assert mcnemar_p(first, second) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson_interval(3, 2), "correct is 3 of count 2"),
        (lambda: wilson_interval(0, 0), "correct is 0 of count 0"),
        (lambda: bootstrap(lambda draw: 0.0, 0), "count is 0"),
        (lambda: pass_at_k(np.array([1]), 4, 5), "k is 5, but there are 4 samples"),
        (lambda: pass_at_k(np.array([1]), 4, 0), "k is 0, but"),
        (lambda: pass_at_k(np.array([5]), 4, 1), "correct has 5 to 5"),
        (lambda: mcnemar_p(-1, 2), "counts are -1 and 2"),
    ],
)
def test_bad_input(call, message):
    with pytest.raises(ValueError, match=message):
        call()
