"""Fixtures and one table of tolerances for the core's tests."""

import os

import hypothesis
import pytest
import torch
from hypothesis import strategies as st

from calibrl_ref import Rollouts

EXAMPLES = int(os.environ.get("EXAMPLES", "20"))
hypothesis.settings.register_profile("ci", derandomize=True, deadline=None, max_examples=EXAMPLES)
hypothesis.settings.register_profile("dev", deadline=None, max_examples=EXAMPLES)
# under mutation a failure only has to be found, not explained, and many mutants are to be tried
hypothesis.settings.register_profile(
    "mutants", derandomize=True, deadline=None, max_examples=8, database=None, phases=[hypothesis.Phase.generate]
)
PROFILE = "mutants" if "MUTANT_UNDER_TEST" in os.environ else "ci" if os.environ.get("CI") else "dev"
hypothesis.settings.load_profile(PROFILE)


def pytest_collection_modifyitems(items):
    """Under mutation, run the tests of one example first: the sooner one fails, the sooner the mutant is done."""
    if PROFILE == "mutants":
        items.sort(key=lambda item: hasattr(getattr(item, "obj", None), "hypothesis"))


EXACT = {"rtol": 0.0, "atol": 0.0}
FLOAT64 = {"rtol": 1e-10, "atol": 1e-12}
FLOAT32 = {"rtol": 1e-6, "atol": 1e-6}


def close(actual, expected, **tolerance):
    """Assert closeness of tensors or numbers (float64 tolerance unless told)."""
    torch.testing.assert_close(
        torch.as_tensor(actual, dtype=torch.float64),
        torch.as_tensor(expected, dtype=torch.float64),
        **(tolerance or FLOAT64),
    )


def said(call, *arguments, **named):
    """The whole message with which a call is refused."""
    with pytest.raises(ValueError, match="Fix: ") as refusal:
        call(*arguments, **named)
    return str(refusal.value)


def make_rollouts(
    seed=0, *, groups=3, size=4, time=5, experts=True, dtype=torch.float64, requires_grad=True, old_shift=0.1, **changes
):
    """Random valid rollouts: ``size`` on-policy rows per group and, where asked, one expert."""
    generator = torch.Generator().manual_seed(seed)
    rows_per_group = size + int(experts)
    rows = groups * rows_per_group
    length = torch.randint(1, time + 1, (rows,), generator=generator)
    mask = torch.arange(time) < length[:, None]
    log_prob = -3.0 * torch.rand(rows, time, generator=generator, dtype=dtype) - 0.05
    noise = torch.randn(rows, time, generator=generator, dtype=dtype)
    position = torch.arange(rows) % rows_per_group
    is_expert = position == size if experts else torch.zeros(rows, dtype=torch.bool)
    correct = (torch.rand(rows, generator=generator) > 0.5) | is_expert
    group = torch.arange(rows) // rows_per_group
    advantage = torch.randn(rows, generator=generator, dtype=dtype)
    given = {
        "token_log_prob": log_prob.clone().requires_grad_(requires_grad),
        "old_token_log_prob": (log_prob + old_shift * noise).clamp(max=0.0),
        "mask": mask,
        "group": group,
        "is_expert": is_expert,
        "correct": correct,
        "advantage": advantage,
        "token_entropy": torch.rand(rows, time, generator=generator, dtype=dtype),
        "reference_token_log_prob": (log_prob + 0.3 * noise).clamp(max=0.0),
    }
    return Rollouts(**{**given, **changes})


def fields_of(rollouts):
    """Return the constructor arguments of ``rollouts``."""
    return dict(vars(rollouts))


def gradient(objective, rollouts):
    """Gradient of the total loss with respect to the token log-probabilities."""
    (grad,) = torch.autograd.grad(objective(rollouts).total, rollouts.token_log_prob, allow_unused=True)
    return torch.zeros_like(rollouts.token_log_prob) if grad is None else grad


seeds = st.integers(0, 2**31 - 1)


@pytest.fixture
def rollouts():
    """Return one random batch with experts."""
    return make_rollouts()
