"""The trainer's plumbing: equal to stock TRL without experts, experts in their groups with them."""

import inspect
from dataclasses import fields, replace

import pytest
import torch
import trl.trainer.grpo_trainer as stock
from tiny import tiny_model
from tiny_runs import build, logged, losses, processor, rows, run, weights, with_objective, with_recipe
from trl import GRPOTrainer

from calibrl_ref import RECIPES
from full_scale.run.settings import Settings
from full_scale.training.trainer import OVERRIDDEN, HybridPolicyTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]


def trained(kind, folder, **changes):
    trainer = build(kind, folder, **changes)
    trainer.train()
    return losses(trainer), trainer.model


def test_overridden_methods_have_the_signatures_that_this_code_was_written_for():
    assert {name: str(inspect.signature(getattr(GRPOTrainer, name))) for name in OVERRIDDEN} == OVERRIDDEN
    own = {name for name in vars(HybridPolicyTrainer) if name in dir(GRPOTrainer) and name[:2] != "__"}
    assert own == set(OVERRIDDEN)


def whole_groups(batch):
    """Stock TRL shuffles rows; to give several updates of one generation the same rows, shuffle its groups as we do."""
    size = len(batch["num_images"])
    order = dict.fromkeys((torch.randperm(size) // 4).tolist())
    index = [row for group in order for row in range(4 * group, 4 * group + 4)]
    return {
        name: value
        if isinstance(value, torch.Tensor) and value.ndim == 0
        else value[index]
        if isinstance(value, torch.Tensor)
        else [value[row] for row in index]
        for name, value in batch.items()
    }


@pytest.mark.parametrize(
    ("loss_type", "aggregation"),
    [("dapo", "token_mean"), ("grpo", "sequence_mean_token_mean"), ("dr_grpo", "constant_length")],
)
@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({}, id="one", marks=pytest.mark.slow),
        pytest.param({"gradient_accumulation_steps": 2}, id="accumulated"),
        pytest.param({"num_iterations": 2}, id="two_passes", marks=pytest.mark.slow),
        pytest.param({"steps_per_generation": 2, "epsilon": 0.01}, id="two_updates", marks=pytest.mark.slow),
        pytest.param({"optim": "adamw_torch", "learning_rate": 4e-5}, id="adamw", marks=pytest.mark.slow),
    ],
)
def test_without_experts_losses_and_weights_equal_stock_trl(tmp_path, monkeypatch, loss_type, aggregation, changes):
    if "steps_per_generation" in changes:
        if loss_type == "dapo":  # TRL divides by the generation's average number of tokens, we by this update's own
            changes = changes | {"gradient_accumulation_steps": 2}
        monkeypatch.setattr(stock, "shuffle_sequence_dict", whole_groups)
    clip = changes.get("epsilon", 0.2)
    objective = RECIPES["grpo"](aggregation=aggregation, std_epsilon=1e-4, max_length=12, clip_low=clip, clip_high=clip)
    wanted, reference = trained(GRPOTrainer, tmp_path / "stock", loss_type=loss_type, **changes)
    found, model = trained(with_objective(objective), tmp_path / "own", **changes)
    assert found == pytest.approx(wanted, abs=1e-6)
    assert len(found) == 3
    for (name, value), other in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(value, other, atol=1e-6, rtol=0, msg=name)
    start = dict(tiny_model(processor()).named_parameters())
    assert any((value - start[name]).abs().max() > 1e-4 for name, value in model.named_parameters())


def test_calibrl_without_exploration_equals_stock_trl(tmp_path):
    objective = RECIPES["calibrl"](exploration_weight=0.0, aggregation="token_mean", std_epsilon=1e-4)
    wanted, reference = trained(GRPOTrainer, tmp_path / "stock", loss_type="dapo")
    found, model = trained(with_objective(objective), tmp_path / "own")
    assert found == pytest.approx(wanted, abs=1e-6)
    for (name, value), other in zip(model.named_parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(value, other, atol=1e-6, rtol=0, msg=name)


def weights_after(tmp_path, name, recipe="calibrl", **changes):
    torch.manual_seed(0)
    found, model = trained(with_recipe(recipe, slope=0.3, exploration_weight=1.0), tmp_path / name, **changes)
    return found, weights(model)


@pytest.mark.parametrize("recipe", ["calibrl", "calibrl_released"])
def test_with_experts_the_loss_does_not_depend_on_the_micro_batch(tmp_path, recipe):
    whole = weights_after(tmp_path, "whole", recipe, max_steps=2)
    cut = {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2}
    parts = weights_after(tmp_path, "parts", recipe, max_steps=2, **cut)
    assert parts[0] == pytest.approx(whole[0], rel=1e-4, abs=1e-5)
    torch.testing.assert_close(parts[1], whole[1], atol=1e-5, rtol=0)


def test_one_row_eight_times_equals_eight_rows_once(tmp_path):
    recipe = with_recipe("calibrl", exploration_weight=1.0)
    whole = run(recipe, tmp_path / "whole", max_steps=2)
    cut = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 8}
    rows_alone = run(recipe, tmp_path / "alone", max_steps=2, **cut)
    assert losses(rows_alone) == pytest.approx(losses(whole), abs=1e-5)
    torch.testing.assert_close(weights(rows_alone.model), weights(whole.model), atol=1e-6, rtol=0)
    for name in ("entropy", "expert_log_prob", "loss/exploration", "loss/surrogate", "rows"):
        assert logged(rows_alone, name) == pytest.approx(logged(whole, name), rel=1e-5, abs=1e-5)
        assert len(logged(whole, name)) == 2
    assert (weights(whole.model) - weights(tiny_model(processor()))).abs().max() > 1e-4


def test_each_group_has_its_own_expert_row_with_the_same_prompt_and_picture(tmp_path):
    data = rows()
    wrong = replace(data[0]["expert"], correct=False, reward=0.1)
    prompts = [data[0]] * 4 + [data[1] | {"expert": None}] * 4 + [data[0] | {"expert": wrong}] * 4
    batch = build(with_recipe("calibrl"), tmp_path).sample(prompts)
    assert batch.group.tolist() == [*[0] * 4, *[1] * 4, *[2] * 4, 0, 2]
    assert batch.is_expert.tolist() == [False] * 12 + [True] * 2
    assert torch.equal(batch.prompt_ids[12], batch.prompt_ids[0])
    assert torch.equal(batch.model_inputs["pixel_values"][12], batch.model_inputs["pixel_values"][0])
    own = batch.response_ids[12][batch.response_mask[12].bool()]
    assert tuple(own.tolist()) == data[0]["expert"].ids
    assert processor().image_token_id not in batch.response_ids
    assert batch.reward[12:].tolist() == pytest.approx([1.1, 0.1])
    assert batch.correct[12:].tolist() == [True, False]  # its own verdict


def test_a_reward_function_may_say_what_is_correct_apart_from_its_reward(tmp_path):
    def reward(completion_ids, log_extra, **_):
        log_extra("correct", [row % 4 == 0 for row in range(len(completion_ids))])
        return [row % 2 + 0.25 for row in range(len(completion_ids))]

    trainer = build(with_recipe("grpo"), tmp_path, reward=reward, max_steps=1)
    batch = trainer.sample([rows()[0]] * 4)
    assert batch.reward.tolist() == [0.25, 1.25, 0.25, 1.25]
    assert batch.correct.tolist() == [True, False, False, False]
    trainer.train()
    assert logged(trainer, "accuracy") == [0.25]
    assert logged(trainer, "reward") == [0.75]


def test_a_response_is_judged_with_the_opening_that_the_template_writes(tmp_path, monkeypatch):
    seen = []

    def opened(completions, **_):
        seen.extend(turn["content"] for (turn,) in completions)
        return [float(turn["content"].startswith("<think>")) for (turn,) in completions]

    template = processor().chat_template
    build(with_recipe("calibrl"), tmp_path, reward=opened).sample([rows()[0]] * 4)
    monkeypatch.setattr(processor(), "chat_template", template.replace("assistant\n", "assistant\n<think>"))
    batch = build(with_recipe("calibrl"), tmp_path, reward=opened).sample([rows()[0]] * 4)
    assert [text.startswith("<think>") for text in seen] == [False] * 4 + [True] * 4
    assert batch.correct[:4].all()
    assert not processor().tokenizer.decode(batch.response_ids[0]).startswith("<think>")


def test_a_trainer_of_ones_own_has_the_defaults_of_the_settings():
    given = inspect.signature(HybridPolicyTrainer.__init__).parameters
    settings = {field.name: field.default for field in fields(Settings)}
    for name in ("generation_rounds", "skip_limit", "shared_prompt", "head_chunk"):
        assert given[name].default == settings[name], name


def test_building_a_trainer_tells_nobody(tmp_path, monkeypatch):
    told = []
    monkeypatch.setattr("trl.trainer.base_trainer.send_telemetry", lambda *given, **_: told.append(given))
    for name in ("CI", "HF_HUB_DISABLE_TELEMETRY"):
        monkeypatch.delenv(name, raising=False)
    build(GRPOTrainer, tmp_path)
    assert len(told) == 1  # TRL's own does
    build(with_recipe("calibrl"), tmp_path)
    assert len(told) == 1


def test_too_few_problems_and_dropout_are_refused_before_training(tmp_path):
    with pytest.raises(ValueError, match=r"^1 training problems: expected at least 2"):
        build(with_recipe("calibrl"), tmp_path, data=rows().select(range(1)))
    model = tiny_model(processor())
    model.lm_head = torch.nn.Sequential(torch.nn.Dropout(0.1), model.lm_head)
    with pytest.raises(ValueError, match=r"lm_head.0 drops out at a rate of 0.1"):
        build(with_recipe("calibrl"), tmp_path, model=model)
