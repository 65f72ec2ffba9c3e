"""Which name was meant."""

import pytest

from cli.names import check_choice, hint, meant

FLAGS = ["learning-rate", "learning-rate-schedule", "steps", "seed", "out", "model", "micro-batch-rows"]


@pytest.mark.parametrize(
    ("written", "wanted"),
    [
        ("learnig-rate", "learning-rate"),
        ("learning_rate", "learning-rate"),
        ("Learning-Rate", "learning-rate"),
        ("learning.rate", "learning-rate"),
        ("lr", "learning-rate"),
        ("lrs", "learning-rate-schedule"),
        ("mbr", "micro-batch-rows"),
        ("step", "steps"),
        ("micro", "micro-batch-rows"),
        ("mi", None),  # the beginning of too many things
        ("m", None),
        ("epochs", "steps"),
        ("output-dir", "out"),
        ("output_dir", "out"),
        ("nonsense", None),
        ("", None),
    ],
)
def test_the_name_that_was_meant(written, wanted):
    assert meant(written, FLAGS, other_names={"epochs": "steps", "output-dir": "out", "gamma": "no-flag"}) == wanted


def test_of_several_near_names_the_nearest_is_meant():
    assert meant("a-b", ["a_b", "a-b"]) == "a_b"  # written alike: the first
    assert meant("lr", ["lrs", "learning-rate"]) == "learning-rate"  # initials before what is written alike
    assert meant("rates", ["rates-of-change", "rate"]) == "rate"  # written alike before what begins so
    assert meant("lea", ["leap-of-faith-again", "learning-rate-decay"]) == "leap-of-faith-again"  # the first that does


def test_another_programs_name_for_what_is_not_there_is_no_hint():
    assert meant("gamma", FLAGS, other_names={"gamma": "no-flag"}) is None


def test_names_with_underscores_are_given_back_as_they_are():
    assert meant("calibrl-relesed", ["grpo", "calibrl_released"]) == "calibrl_released"
    assert hint("calibrl-relesed", ["grpo", "calibrl_released"]) == "did you mean 'calibrl_released'?"
    assert hint("nonsense", ["grpo"]) == ""


def test_a_wrong_choice_is_named_with_the_valid_ones():
    check_choice("dtype", "float32", ("float32", "bfloat16"))
    with pytest.raises(ValueError, match=r"^dtype='bf16': expected one of float32, b. Fix: choose one of these\.$"):
        check_choice("dtype", "bf16", ["float32", "b"])
    with pytest.raises(ValueError, match=r"^dtype='float2': .* Fix: did you mean 'float32'\?$"):
        check_choice("dtype", "float2", ["float32", "b"])
