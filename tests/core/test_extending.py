"""Each kind of new idea, added as docs/architecture.md says: one function or class, and one line.

``tests/toy/test_new_gate.py`` trains the toy with a gate that was added so.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
from conftest import close, gradient

from calibrl_ref import (
    BASELINES,
    GAPS,
    GATES,
    RECIPES,
    Baseline,
    GapLevel,
    Objective,
    Term,
    recipe,
    trajectory_log_prob,
)
from calibrl_ref.recipes import CalibRL
from calibrl_ref.terms import OnPolicyTerm


def exploration(objective, rollouts):
    return objective(rollouts).terms["exploration"]


def test_a_gate(rollouts, monkeypatch):
    def tanh_gate(x, *, slope):
        return torch.tanh(x)

    monkeypatch.setitem(GATES, "tanh", tanh_gate)
    share = exploration(RECIPES["calibrl"](gate="tanh", exploration_weight=1.0), rollouts)
    policy, total = ~rollouts.is_expert, trajectory_log_prob(rollouts.token_log_prob, rollouts.mask)
    gap = total - total[rollouts.is_expert][rollouts.group]
    sign = torch.where(rollouts.correct, 1.0, -1.0)
    close(share, (rollouts.advantage.abs() * torch.tanh(-sign * gap))[policy].mean())


def test_a_baseline(rollouts, monkeypatch):
    def certain(rollouts):
        """Compare with a response that the policy is sure of."""
        everywhere = torch.ones_like(rollouts.is_expert)
        return Baseline(
            token_log_prob=torch.zeros_like(rollouts.token_log_prob), mask=rollouts.mask, present=everywhere
        )

    monkeypatch.setitem(BASELINES, "certain", certain)
    share = exploration(RECIPES["calibrl"](baseline="certain", gate="linear", exploration_weight=1.0), rollouts)
    policy, total = ~rollouts.is_expert, trajectory_log_prob(rollouts.token_log_prob, rollouts.mask)
    sign = torch.where(rollouts.correct, 1.0, -1.0)
    close(share, (-sign * total * rollouts.advantage.abs())[policy].mean())


def test_a_gap_level(rollouts, monkeypatch):
    def first_token(rollouts, baseline):
        return rollouts.token_log_prob[:, 0], baseline.token_log_prob[:, 0]

    monkeypatch.setitem(GAPS, "first_token", GapLevel(unit="trajectory", log_probs=first_token))
    objective = RECIPES["calibrl"](gap="first_token")
    (pushed,) = torch.autograd.grad(exploration(objective, rollouts), rollouts.token_log_prob)
    assert pushed[:, 0].abs().min() > 0
    assert pushed[:, 1:].abs().max() == 0


@dataclass(frozen=True, kw_only=True)
class SureAndWrong(OnPolicyTerm):
    """Every token of a wrong response costs ``weight`` times its probability."""

    name: ClassVar[str] = "sure_and_wrong"
    weight: float = 0.1

    def __call__(self, rollouts):
        return self.weight * rollouts.token_log_prob.exp() * ~rollouts.correct.unsqueeze(1)


def test_a_term(rollouts):
    assert isinstance(SureAndWrong(), Term)
    base = RECIPES["grpo"](aggregation="token_mean")
    extended = replace(base, terms=(*base.terms, SureAndWrong(weight=0.3)))
    counted = rollouts.mask & ~rollouts.is_expert[:, None]
    wrong = counted & ~rollouts.correct[:, None]
    expected = 0.3 * rollouts.token_log_prob.exp().where(wrong, 0.0) / counted.sum()
    close(gradient(extended, rollouts) - gradient(base, rollouts), expected)


@dataclass(frozen=True, kw_only=True)
class HumbleCalibRL(CalibRL):
    """CalibRL that also punishes being sure of a wrong response.

    Attributes:
        sure_weight: what a token of a wrong response costs, per unit of probability.
    """

    slope: float = 0.3
    sure_weight: float = 0.1

    def objective(self) -> Objective:
        base = super().objective()
        return replace(base, terms=(*base.terms, SureAndWrong(weight=self.sure_weight)))


def test_a_recipe(rollouts, monkeypatch):
    monkeypatch.setitem(RECIPES, "humble_calibrl", recipe("humble_calibrl", HumbleCalibRL))
    objective = RECIPES["humble_calibrl"](sure_weight=0.2)
    assert list(objective(rollouts).terms) == ["surrogate", "exploration", "sure_and_wrong"]
    assert (objective.exploration.slope, objective.exploration.weight, objective.terms[2].weight) == (0.3, 0.1, 0.2)


def test_a_recipe_that_is_a_plain_function(rollouts, monkeypatch):
    def sum_of_both(*, weight: float = 0.1) -> Objective:
        base = RECIPES["grpo"]()
        return replace(base, terms=(*base.terms, SureAndWrong(weight=weight)))

    monkeypatch.setitem(RECIPES, "sum_of_both", sum_of_both)
    assert list(RECIPES["sum_of_both"](weight=0.2)(rollouts).terms) == ["surrogate", "sure_and_wrong"]
