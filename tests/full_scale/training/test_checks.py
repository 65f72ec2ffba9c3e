"""What is refused before training starts, or before the model is called."""

from dataclasses import replace

import pytest
import torch
from tiny import tiny_model
from tiny_runs import arguments

from calibrl_ref import RECIPES
from full_scale.data.rendered import rendered_problems
from full_scale.data.shortcut import habitual, shortcut_problems
from full_scale.model.decisions import FirstDecision
from full_scale.model.tiny import build_processor, build_tokenizer
from full_scale.run.command_line import read_command_line
from full_scale.training import checks
from full_scale.training.checks import (
    check_arguments,
    check_dropout,
    check_image_tokens,
    check_plan,
    check_prompts,
    check_ways,
    no_advantage,
    plan_of,
)
from full_scale.training.warm_up import texts_of


def test_image_tokens_are_compared_with_features():
    grid = torch.tensor([[1, 4, 4], [1, 2, 2]])
    check_image_tokens([[5] * 4, [5]], grid, [1, 1], image_token=5, merge_size=2)
    check_image_tokens([[5] * 5, [7], [5] * 4], grid[[0, 1, 0]], [2, 0, 1], image_token=5, merge_size=2)
    with pytest.raises(ValueError, match=r"prompt 2 has 1 image tokens, but its 1 picture\(s\) give 4 features"):
        check_image_tokens([[5] * 4, [5], [5]], grid[[0, 1, 0]], [1, 1, 1], image_token=5, merge_size=2)
    with pytest.raises(ValueError, match="zip"):
        check_image_tokens([[5] * 4], grid, [1, 1], image_token=5, merge_size=2)
    with pytest.raises(ValueError, match=r"prompt 1 has 2 image tokens, but its 1 picture\(s\) give 1 features"):
        check_image_tokens([[5] * 4, [5, 5]], grid, [1, 1], image_token=5, merge_size=2)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"per_device_train_batch_size": 6, "generation_batch_size": 12},
            r"\(6 rows\) must be a multiple",
        ),
        ({"mask_truncated_completions": True}, "mask_truncated_completions is True"),
        ({"top_entropy_quantile": 0.5}, "top_entropy_quantile is 0.5"),
    ],
)
def test_options_that_would_be_ignored_are_refused(tmp_path, changes, message):
    with pytest.raises(ValueError, match=message):
        check_arguments(arguments(tmp_path, **changes), RECIPES["calibrl"]())


def test_a_reference_recipe_needs_a_reference(tmp_path):
    with pytest.raises(ValueError, match="beta is 0"):
        check_arguments(arguments(tmp_path), RECIPES["calibrl_reference_baseline"]())


def test_vllms_correction_is_refused(tmp_path):
    args = arguments(tmp_path, use_vllm=True, vllm_importance_sampling_correction=True)
    with pytest.raises(ValueError, match="vllm_importance_sampling_correction is not supported"):
        check_arguments(args, RECIPES["calibrl"]())
    check_arguments(arguments(tmp_path, use_vllm=True, vllm_importance_sampling_correction=False), RECIPES["grpo"]())


def test_a_samplings_updates_are_whole(tmp_path):
    args = arguments(tmp_path, gradient_accumulation_steps=2, steps_per_generation=3)
    with pytest.raises(ValueError, match=r"steps_per_generation \(3\) must be a multiple of .* \(2\)"):
        check_arguments(args, RECIPES["calibrl"]())
    check_arguments(arguments(tmp_path, gradient_accumulation_steps=2, steps_per_generation=4), RECIPES["calibrl"]())


def test_data_that_is_too_little_for_a_sampling_is_refused(tmp_path):
    args = arguments(tmp_path, steps_per_generation=3)  # of eight responses, four to a prompt
    check_prompts(6, args)
    with pytest.raises(ValueError, match=r"^5 training problems: expected at least 6, the prompts of one sampling"):
        check_prompts(5, args)


def test_a_model_with_dropout_is_refused():
    check_dropout(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.0)))
    with pytest.raises(ValueError, match=r"^1 drops out at a rate of 0.05: expected none, .* set lora_dropout to"):
        check_dropout(torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Dropout(0.05)))


@pytest.mark.parametrize(
    ("former", "now", "stages", "message"),
    [
        (("linear", 6), ("linear", 8), 1, "max_steps=8: expected 6, for which the learning rate .* --steps 6"),
        (("cosine", 6), ("cosine", 5), 1, "max_steps=5: expected 6, for which the learning rate"),
        (("constant", 6), ("constant", 8), 2, "max_steps=8: expected 6, for which the stages of the method"),
        (("linear", 6), ("constant", 6), 1, "lr_scheduler_type=constant: expected linear, with which"),
        (("linear", 6), ("linear", 6), 2, None),
        (("constant", 6), ("constant", 8), 1, None),
        (("constant_with_warmup", 6), ("constant_with_warmup", 8), 1, None),
    ],
)
def test_a_run_keeps_the_number_of_updates_that_it_was_planned_for(tmp_path, former, now, stages, message):
    plans = [plan_of(arguments(tmp_path, lr_scheduler_type=kind, max_steps=steps)) for kind, steps in (former, now)]
    assert plans[0] == {"lr_scheduler_type": former[0], "max_steps": former[1]}
    args = arguments(tmp_path, lr_scheduler_type=now[0], max_steps=now[1])
    if message is None:
        check_plan({"plan": plans[0]}, args, stages=stages)
        return
    with pytest.raises(ValueError, match=message):
        check_plan({"plan": plans[0]}, args, stages=stages)


@pytest.mark.parametrize(
    ("right", "cause"),
    [(0.0, "no response is right. Fix: choose easier"), (1.0, "all responses are right. Fix: choose harder")]
    + [(share, "all responses to a problem earn the same. Fix: raise --temp") for share in (0.01, 0.5, 0.99)],
)
def test_the_cause_of_missing_advantages_is_named(right, cause):
    assert no_advantage(4, right=right).startswith(f"every advantage was 0 in 4 samplings in a row: {cause}")


@pytest.fixture(scope="module")
def taught():
    """A processor that knows the ways' words, and a model with random weights."""
    problems = shortcut_problems(60, seed=1)
    processor = build_processor(build_tokenizer(texts_of([*problems, *habitual(problems, seed=1)])))
    return tiny_model(processor), processor


def decided(monkeypatch, look, guess):
    """Let every model's first word be these ways with these probabilities."""
    shares = {"look": torch.tensor([look]), "guess triangle": torch.tensor([guess]), "skip": torch.tensor([0.0])}
    found = FirstDecision(shares=shares, entropy=torch.tensor([0.0]))
    monkeypatch.setattr(checks, "first_decision", lambda *_, **__: found)


def settings_of(*flags):
    return read_command_line(["--preset", "tiny-shortcut", *flags]).settings


def test_a_model_without_the_ways_is_refused(taught, monkeypatch):
    problems = shortcut_problems(4, seed=0)
    with pytest.raises(ValueError, match=r"takes the ways of shortcut; .* Fix: --model tiny-shortcut"):
        check_ways(*taught, problems, settings_of())  # random weights
    decided(monkeypatch, 0.0, 1.0)
    with pytest.raises(ValueError, match=r"its first word is look 0.0%, guess triangle 100.0%"):
        check_ways(*taught, problems, settings_of())
    decided(monkeypatch, 0.01, 0.9)
    check_ways(*taught, problems, settings_of())


def test_experts_of_one_kind_of_problem_are_refused_where_the_method_reads_them(taught, monkeypatch):
    decided(monkeypatch, 0.02, 0.8)
    problems = [
        problem if problem.category == "triangle" else replace(problem, solution=None)
        for problem in shortcut_problems(20, seed=0)
    ]
    with pytest.raises(ValueError, match="all of them show 'triangle'"):
        check_ways(*taught, problems, settings_of())
    check_ways(*taught, problems, settings_of("--method", "grpo"))


def test_problems_without_ways_are_not_checked():
    check_ways(None, None, rendered_problems(1, seed=0), settings_of())
