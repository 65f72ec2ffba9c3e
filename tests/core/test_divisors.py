"""Divisors add up over processes, and a micro-batch that was cut wrongly is refused."""

import dataclasses
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import two_processes
from conftest import close, make_rollouts

from calibrl_ref import AGGREGATIONS, BASELINES, RECIPES, Baseline, BaselineRule, Divisors

COUNTS = [mode for mode in AGGREGATIONS if mode != "constant_length_sum"]


@pytest.mark.parametrize("mode", COUNTS)
@pytest.mark.parametrize("name", ["grpo", "sft", "calibrl"])
def test_counts_of_parts_add_up_also_where_a_part_has_none(name, mode, rollouts):
    objective = RECIPES[name](aggregation=mode, max_length=7)
    parts = [rollouts.select(rollouts.is_expert), rollouts.select(~rollouts.is_expert)]
    whole = objective.divisors(rollouts)
    assert [sum(values).item() for values in zip(*map(objective.divisors, parts), strict=True)] == [
        value.item() for value in whole
    ]
    empty = parts[1] if name == "sft" else parts[0]
    assert all(value == 0.0 for value in objective.divisors(empty))
    assert objective(empty).total == 0.0


@pytest.mark.slow
def test_two_processes_give_the_gradient_of_one(tmp_path):
    """DDP averages gradients; the second process has no expert, so under sft it counts nothing."""
    script = Path(two_processes.__file__)
    environment = os.environ | {"PYTHONPATH": str(script.parents[2])}
    command = [sys.executable, script]
    running = [subprocess.Popen([*command, str(rank), tmp_path], env=environment) for rank in range(2)]
    assert [process.wait(timeout=120) for process in running] == [0, 0]
    alone = two_processes.gradients(lambda model: model, two_processes.OF_RANK[1][0])
    assert all(gradient.abs().max() > 1e-4 for gradient in alone.values())
    for rank in range(2):
        shared = torch.load(tmp_path / f"rank{rank}.pt")
        assert shared.keys() == alone.keys()
        for name, gradient in alone.items():
            close(shared[name], gradient, rtol=1e-12, atol=1e-14, msg=lambda text, name=name: f"{name}: {text}")


def test_alone_a_process_gets_what_it_has(rollouts):
    divisors = RECIPES["calibrl"]().divisors(rollouts)
    assert divisors.over_processes() is divisors


def cut_off_expert(rollouts):
    """A group's first row without its expert."""
    return (rollouts.group == rollouts.group[rollouts.is_expert][0]) & ~rollouts.is_expert


@pytest.mark.parametrize("name", ["calibrl", "calibrl_released", "calibrl_dapo"])
def test_a_group_whose_expert_is_elsewhere_is_refused(name, rollouts):
    objective = RECIPES[name]()
    message = r"expert rows of group \d+ in the micro-batch=0: expected all 1 of the batch. Fix: keep a group's rows"
    with pytest.raises(ValueError, match=message):
        objective(rollouts.select(cut_off_expert(rollouts)), divisors=objective.divisors(rollouts))


@pytest.mark.parametrize("name", ["grpo", "luffy", "sft", "calibrl_reference_baseline"])
def test_what_looks_at_each_row_alone_may_be_cut_anywhere(name, rollouts):
    objective = RECIPES[name](max_length=7)
    divisors = objective.divisors(rollouts)
    rows = torch.arange(len(rollouts.group))
    found = sum(objective(rollouts.select(rows == row), divisors=divisors).total for row in rows)
    close(found, objective(rollouts).total, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", ["clip_cov", "kl_cov", "calibrl_shuffled_expert"])
def test_a_part_is_refused_where_rows_of_the_whole_batch_are_compared(name, rollouts):
    objective = RECIPES[name]()
    divisors = objective.divisors(rollouts)
    assert objective(rollouts, divisors=divisors).total == objective(rollouts).total
    with pytest.raises(ValueError, match=r"rows of the micro-batch=\d+: expected all 15.*Fix: use linearise"):
        objective(rollouts.select(rollouts.group == rollouts.group[0]), divisors=divisors)


def group_mean(rollouts):
    """Compare with the mean log-probability of the group's rows."""
    same = (rollouts.group.unsqueeze(1) == rollouts.group.unsqueeze(0)).to(rollouts.token_log_prob.dtype)
    mean = same @ rollouts.token_log_prob / same.sum(1, keepdim=True)
    return Baseline(token_log_prob=mean, mask=rollouts.mask, present=torch.ones_like(rollouts.is_expert))


def test_a_group_s_rows_stay_together_where_they_are_compared_with_each_other(rollouts, monkeypatch):
    rule = BaselineRule(find=group_mean, scope="group", needs=frozenset())
    monkeypatch.setitem(BASELINES, "group_mean", rule)
    objective = RECIPES["calibrl"](baseline="group_mean")
    divisors = objective.divisors(rollouts)
    groups = [rollouts.select(rollouts.group == group) for group in rollouts.group.unique()]
    close(
        sum(objective(part, divisors=divisors).total for part in groups),
        objective(rollouts).total,
        rtol=1e-9,
        atol=1e-12,
    )
    answers = torch.arange(len(rollouts.group)) % 2 == 0
    for part in (~rollouts.is_expert, answers | rollouts.is_expert):  # the second one lacks no expert
        with pytest.raises(ValueError, match=r"^rows of group \d+ in the micro-batch=\d: expected all"):
            objective(rollouts.select(part), divisors=divisors)


def test_a_baseline_that_says_nothing_is_taken_to_look_everywhere(rollouts, monkeypatch):
    monkeypatch.setitem(BASELINES, "group_mean", group_mean)
    objective = RECIPES["calibrl"](baseline="group_mean")
    assert (objective.scope, objective.moves_expert, objective.uses_expert) == ("batch", True, True)
    with pytest.raises(ValueError, match="Fix: use linearise"):
        objective(rollouts.select(rollouts.group == 0), divisors=objective.divisors(rollouts))


def test_a_bare_tuple_is_taken_at_its_word(rollouts):
    objective = RECIPES["calibrl"]()
    part = rollouts.select(cut_off_expert(rollouts))
    assert objective(part, divisors=tuple(objective.divisors(rollouts))).terms["exploration"] == 0.0


def test_divisors_are_a_tuple_of_one_value_per_term(rollouts):
    divisors = RECIPES["calibrl"]().divisors(dataclasses.replace(rollouts))
    assert isinstance(divisors, Divisors)
    assert [value.shape for value in divisors] == [(), ()]
    assert RECIPES["grpo"](aggregation="constant_length_sum", max_length=9).divisors(make_rollouts(0)) == (9.0,)


def test_divided_divisors_are_the_same_but_for_their_size(rollouts):
    whole = RECIPES["calibrl"]().divisors(rollouts)
    part = whole.divided(4)
    assert [value.item() * 4 for value in part] == [value.item() for value in whole]
    assert part.counts == whole.counts
    assert part.group is whole.group
    assert part.is_expert is whole.is_expert
