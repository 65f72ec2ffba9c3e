import numpy as np
import pytest

from toy.studies.statistics import mean_interval


def test_the_interval_of_normal_data_has_the_known_width():
    values = np.random.default_rng(0).normal(size=(200, 50))
    mean, low, high = mean_interval(values)
    assert mean == pytest.approx(values.mean(-1))
    assert (high - low).mean() == pytest.approx(2 * 1.96 / 50**0.5, rel=0.05)
    assert np.mean((low < 0) & (high > 0)) == pytest.approx(0.94, abs=0.04)


def test_a_single_seed_has_no_width():
    assert [part.item() for part in mean_interval(np.array([0.3]))] == pytest.approx([0.3, 0.3, 0.3])
