"""Tutorial 8: its copy of the core is the core, and the check that its solution names catches each fault."""

import inspect
import re
from pathlib import Path

import jupytext
import pytest
import torch
from course.bugs import HEALTHY, PATIENTS, Bug, catches, examine, method_of, random_batch, shape_test

from calibrl_ref import (
    RECIPES,
    Rollouts,
    aggregate,
    clipped_surrogate,
    exploration_loss,
    group_advantage,
    importance_ratio,
    trajectory_log_prob,
)
from toy.learning.methods import parse_method
from toy.learning.settings import Training
from toy.learning.trainer import train
from toy.world import World

SEEDS = range(20)
NOTEBOOK = jupytext.read(Path(__file__).parents[2] / "tutorials" / "08_break_it.py")


@pytest.fixture(scope="module")
def notebook_checks():
    """The checks as the tutorial's cells define them, those of the exercises from their solutions."""
    solutions = [
        block
        for cell in NOTEBOOK.cells
        if cell.cell_type == "markdown" and "<summary>Solution" in cell.source
        for block in re.findall(r"```python\n(.*?)```", cell.source, flags=re.DOTALL)
    ]
    code = [cell.source for cell in NOTEBOOK.cells if cell.cell_type == "code"]
    namespace = {}
    exec(code[0], namespace)
    for source in [*(source for source in code if "_check(core):" in source), *solutions]:
        exec(source, namespace)
    return namespace


@pytest.mark.parametrize("seed", SEEDS)
def test_the_copy_gives_the_librarys_loss_and_gradient(seed):
    batch = random_batch(seed, prompts=2 + seed % 3, rollouts=3 + seed % 4, time=4 + seed % 5)
    advantage = group_advantage(batch.reward, batch.group, batch.is_expert)
    rollouts = Rollouts(
        token_log_prob=batch.log_prob,
        old_token_log_prob=batch.old_log_prob,
        mask=batch.mask,
        group=batch.group,
        is_expert=batch.is_expert,
        correct=batch.correct,
        advantage=advantage,
    )
    copy, library = (
        HEALTHY.loss(batch, weight=0.3),
        RECIPES["calibrl"](aggregation="token_mean", exploration_weight=0.3)(rollouts).total,
    )
    torch.testing.assert_close(copy, library, rtol=1e-9, atol=1e-12)
    gradients = [torch.autograd.grad(loss, batch.log_prob)[0] for loss in (copy, library)]
    torch.testing.assert_close(*gradients, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_each_function_of_the_copy_equals_the_librarys(seed):
    batch = random_batch(seed)
    advantage = group_advantage(batch.reward, batch.group, batch.is_expert)
    ratio = importance_ratio(batch.log_prob, batch.old_log_prob)
    by_token = advantage.unsqueeze(1).expand_as(ratio)
    whole = trajectory_log_prob(batch.log_prob, batch.mask)
    pairs = [
        (HEALTHY.group_advantage(batch.reward, batch.group, batch.is_expert), advantage),
        (HEALTHY.importance_ratio(batch.log_prob, batch.old_log_prob), ratio),
        (HEALTHY.clipped_surrogate(ratio, by_token), clipped_surrogate(ratio, by_token)),
        (HEALTHY.trajectory_log_prob(batch.log_prob, batch.mask), whole),
        (
            HEALTHY.exploration_loss(whole, whole.flip(0), batch.correct, advantage),
            exploration_loss(whole, whole.flip(0), batch.correct, advantage),
        ),
        (HEALTHY.aggregate(ratio, batch.mask), aggregate(ratio, batch.mask)),
    ]
    for copy, library in pairs:
        torch.testing.assert_close(copy, library, rtol=1e-9, atol=1e-12)


def test_there_are_ten_bugs_with_a_name_each():
    assert len({bug.name for bug in PATIENTS.values()}) == len(PATIENTS) == 10


@pytest.mark.parametrize("number", PATIENTS)
def test_a_bug_passes_the_shape_test_and_changes_one_line(number):
    bug = PATIENTS[number]
    shape_test(bug.core)
    source = inspect.getsource(getattr(HEALTHY, bug.part))
    changed = [line for line in source.splitlines() if line != line.replace(bug.healthy, bug.planted)]
    assert len(changed) == 1
    assert changed[0].strip() in bug.diff


@pytest.mark.parametrize("number", PATIENTS)
def test_a_bug_is_caught_by_the_check_that_the_solution_names(number, notebook_checks):
    bug = PATIENTS[number]
    check = notebook_checks[bug.check]
    assert not catches(check, HEALTHY)
    assert catches(check, bug.core)
    assert notebook_checks["diagnosis"][number] == bug.name
    (line,) = [
        line for cell in NOTEBOOK.cells for line in cell.source.splitlines() if f'{number}: "{bug.name}",  #' in line
    ]
    assert bug.check in line


def test_the_healthy_core_passes_all_checks(notebook_checks):
    shape_test(HEALTHY)
    checks = [value for name, value in notebook_checks.items() if name.endswith("_check")]
    assert len(checks) == 8
    assert not any(catches(check, HEALTHY) for check in checks)


def test_the_shape_test_catches_a_loss_that_is_not_finite():
    nan = Bug("nan", "aggregate", "mask.sum()", "(mask.sum() * 0)", "shape_test").core
    assert catches(shape_test, nan)


def test_a_check_that_cries_wolf_is_refused():
    def suspicious(core):
        raise AssertionError("everybody is ill")

    with pytest.raises(AssertionError, match="false alarm"):
        examine(suspicious)


def test_a_bug_whose_line_is_gone_is_reported():
    with pytest.raises(ValueError, match="Fix: renew the bug"):
        _ = Bug("gone", "aggregate", "no such line", "", "padding_check").core


def test_padding_adds_columns_under_the_mask_and_nothing_else():
    batch = random_batch()
    longer = batch.pad(3)
    assert longer.log_prob.shape[1] == batch.log_prob.shape[1] + 3
    assert not longer.mask[:, -3:].any()
    assert torch.equal(longer.log_prob[:, :-3], batch.log_prob)
    assert torch.equal(longer.reward, batch.reward)


def test_the_healthy_core_trains_the_toy_as_the_recipe_does():
    """With a token mean over four decisions, lambda and the learning rate are scaled to the recipe's."""
    training = Training(steps=20, prompts=4, points=3)
    recipe = train(parse_method("calibrl"), World(executable=1.0), training, range(2))
    scaled = Training(steps=20, prompts=4, points=3, learning_rate=16.0)
    copy = train(method_of(HEALTHY, "copy", weight=0.025), World(executable=1.0), scaled, range(2))
    for name in ("entropy", "accuracy"):
        torch.testing.assert_close(torch.tensor(copy[name]), torch.tensor(recipe[name]), rtol=1e-9, atol=1e-12)
