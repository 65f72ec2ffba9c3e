from typing import get_args

import pytest

from toy.learning.policy import POLICIES
from toy.learning.settings import OptimizerName, PolicyName, Training
from toy.learning.trainer import OPTIMIZERS


def test_the_default_training():
    training = Training()
    assert (training.steps, training.prompts, training.rollouts, training.updates) == (600, 16, 8, 1)
    assert training.supervised_share is None
    assert (training.learning_rate, training.optimizer, training.policy, training.points) == (4.0, "sgd", "tabular", 41)


def test_a_training_is_a_value():
    assert hash(Training(steps=5)) == hash(Training(steps=5))


def test_every_name_has_a_maker():
    assert set(get_args(OptimizerName)) == set(OPTIMIZERS)
    assert set(get_args(PolicyName)) == set(POLICIES)


@pytest.mark.parametrize(
    ("training", "steps"),
    [
        (Training(steps=12, points=5), [0, 3, 6, 9, 12]),
        (Training(steps=10, points=4), [0, 3, 7, 10]),
        (Training(steps=2, points=41), [0, 1, 2]),
        (Training(steps=1, points=2), [0, 1]),
    ],
)
def test_points_are_spread_evenly_from_the_start_to_the_end(training, steps):
    assert training.recorded_steps == steps


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"steps": 0}, "^steps=0: expected a whole number of at least 1"),
        ({"prompts": 0}, "^prompts=0: .* at least 1"),
        ({"updates": 0}, "^updates=0: .* at least 1"),
        ({"steps": 2.0}, "^steps=2.0"),
        ({"rollouts": 1}, "^rollouts=1: .* at least 2"),
        ({"points": 1}, "^points=1: .* at least 2"),
        ({"learning_rate": 0.0}, "^learning_rate=0.0: expected a positive number"),
        ({"learning_rate": -1.0}, "^learning_rate=-1.0"),
        ({"learning_rate": float("inf")}, "^learning_rate=inf"),
        ({"learning_rate": float("nan")}, "^learning_rate=nan"),
        ({"supervised_share": 0.0}, r"^supervised_share=0.0: expected a share inside \(0, 1\)"),
        ({"supervised_share": 1.0}, "^supervised_share=1.0"),
        ({"optimizer": "adm"}, r"^optimizer='adm': expected one of \['sgd', 'adam'\]"),
        ({"policy": "deep"}, r"^policy='deep': expected one of \['tabular', 'neural'\]"),
    ],
)
def test_impossible_settings_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        Training(**settings)


def test_settings_at_their_limits_are_valid():
    assert Training(steps=1, prompts=1, rollouts=2, updates=1, points=2, learning_rate=1e-9)
