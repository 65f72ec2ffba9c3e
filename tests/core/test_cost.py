"""What the core costs: tensors at the peak, seconds beside the plain surrogate (loosely), modules at import."""

import subprocess
import sys

import pytest
import torch

from benchmarks.core import batch, fresh, losses, peak_tensors, seconds

FIELDS = batch(groups=4, size=8, time_steps=1024)


@pytest.fixture(autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.mark.parametrize("name", ["calibrl", "calibrl_released"])
def test_at_most_two_tensors_more_than_the_plain_surrogate_at_the_peak(name):
    compared = losses()
    peaks = {other: peak_tensors(compared[other], FIELDS) for other in ("grpo", "by hand", name)}
    assert peaks["grpo"] < peaks["by hand"]
    assert peaks[name] < peaks["grpo"] + 2.0


def test_the_plain_surrogate_is_the_one_written_out_by_hand():
    compared = losses()
    on_policy = fresh(FIELDS).select(~FIELDS["is_expert"])
    masked = fresh({**FIELDS, "mask": FIELDS["mask"] & ~FIELDS["is_expert"].unsqueeze(1)})
    token_mean = compared["by hand"](masked)
    torch.testing.assert_close(compared["by hand"](on_policy), token_mean)


def test_an_objective_is_not_many_times_slower_than_the_plain_surrogate():
    """The figures of `benchmarks/core.py` are 1.2 and 1.5; a quadratic loop or a lost fusion is beyond 4."""
    compared = losses()
    least = {name: min(seconds(loss, FIELDS) for _ in range(15)) for name, loss in compared.items()}
    assert max(least.values()) < 4 * least["grpo"]


def test_importing_the_library_makes_no_recipe_before_one_is_asked_for():
    check = (
        "import sys, calibrl_ref; assert 'calibrl_ref.recipes' not in sys.modules; "
        "from calibrl_ref import RECIPES, Schedule; assert 'calibrl' in RECIPES; "
        "assert all(hasattr(calibrl_ref, name) for name in calibrl_ref.__all__)"
    )
    subprocess.run([sys.executable, "-c", check], check=True)


def test_an_unknown_name_of_the_library_is_an_attribute_error():
    import calibrl_ref

    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = calibrl_ref.nothing
