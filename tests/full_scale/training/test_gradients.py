"""One update, however it is cut: every recipe's gradient is the same for whole groups, split groups and single rows."""

import pytest
import torch
from tiny import tiny_model
from tiny_runs import GROUP_SIZE, build, logged, losses, processor, run, weights, with_recipe

from calibrl_ref import RECIPES
from full_scale.training.batching import chunks, first_groups, join_rows
from full_scale.training.gradients import looks_beyond_groups, moves_experts

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]
ROWS = 16


@pytest.fixture(scope="module")
def stale(tmp_path_factory):
    """A trainer with four groups, sampled by an older policy and scored by a reference policy."""
    folder = tmp_path_factory.mktemp("stale")
    tiny_model(processor(), seed=1).save_pretrained(folder)
    trainer = build(
        with_recipe("calibrl"),
        folder,
        model=str(folder),
        per_device_train_batch_size=ROWS,
        num_iterations=2,
        beta=0.1,
        model_init_kwargs={"dtype": "float32"},
    )
    generator = torch.Generator().manual_seed(0)
    trainer.objective = RECIPES["calibrl"]()
    batch = trainer._generate_and_score_completions(_repeated(trainer))
    with torch.no_grad():
        for weight in trainer.model.parameters():  # far enough for some ratios to be clipped
            weight += 0.02 * torch.randn(weight.shape, generator=generator)
    return trainer, batch


def _repeated(trainer):
    return [trainer.train_dataset[index] for index in range(4) for _ in range(GROUP_SIZE)]


def gradient(trainer, batch, objective, rows_at_once):
    """The gradient of one update in micro-batches of so many sampled rows, and its loss."""
    trainer.objective = objective
    trainer.args.per_device_train_batch_size = rows_at_once
    trainer.args.gradient_accumulation_steps = trainer.args.steps_per_generation = ROWS // rows_at_once
    torch.manual_seed(0)
    parts = trainer._micro_batches(trainer._pruned(dict(batch)), ROWS)
    trainer._begin_update(parts)
    trainer.model.zero_grad()
    total = 0.0
    for number, part in enumerate(parts, start=1):
        trainer.accelerator.gradient_state._set_sync_gradients(number == len(parts))
        loss = trainer._compute_loss(trainer.model, part)
        loss.backward()
        total += loss.item()
    return total, torch.cat([weight.grad.flatten() for weight in trainer.model.parameters() if weight.grad is not None])


def options(name):
    return {"max_length": 12} if name in ("dr_grpo", "luffy") else {}


@pytest.mark.parametrize("name", RECIPES)
def test_every_recipe_has_one_loss_and_gradient_however_the_update_is_cut(stale, name):
    objective = RECIPES[name](**options(name))
    total, whole = gradient(*stale, objective, ROWS)
    assert whole.abs().max() > 1e-4
    for rows_at_once in (4, 2, 1):
        found, cut = gradient(*stale, objective, rows_at_once)
        assert found == pytest.approx(total, abs=1e-5), rows_at_once
        torch.testing.assert_close(cut, whole, atol=1e-6 * float(whole.abs().max()) + 1e-6, rtol=1e-4)


FIXED = [RECIPES["calibrl_released"](), *(RECIPES[name](detach_expert=True) for name in ("calibrl", "calibrl_dapo"))]
MOVED = [RECIPES["calibrl_released"](detach_expert=False), *(RECIPES[name]() for name in ("calibrl", "luffy", "sft"))]


@pytest.mark.parametrize(
    ("objective", "moved"), [*((given, False) for given in FIXED), *((given, True) for given in MOVED)]
)
def test_an_expert_is_spared_its_backward_pass_only_where_it_has_no_coefficient(stale, objective, moved):
    trainer, batch = stale
    trainer.objective = objective
    trainer.args.per_device_train_batch_size = 1
    trainer.args.gradient_accumulation_steps = trainer.args.steps_per_generation = ROWS
    parts = trainer._micro_batches(trainer._pruned(dict(batch)), ROWS)
    trainer._begin_update(parts)
    found = torch.cat([part["by_log_prob"][part["is_expert"]] for part in parts if "idle" not in part])
    assert bool(found.abs().max() > 1e-6) == moves_experts(objective) == moved


def test_objectives_that_compare_groups_are_known():
    beyond = {name for name in RECIPES if looks_beyond_groups(RECIPES[name]())}
    assert beyond == {"clip_cov", "kl_cov", "calibrl_shuffled_expert"}


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


def test_chunks_are_even():
    assert chunks([0, 1, 2, 3, 4], 3) == [[0, 1], [2, 3], [4]]
    assert chunks([0], 2) == [[0], []]


def batch(prompts, responses, group):
    made = {
        "prompt_ids": torch.tensor(prompts),
        "completion_ids": torch.tensor(responses),
        "completion_mask": torch.ones_like(torch.tensor(responses)),
        "group": torch.tensor(group),
        "pictures": [f"picture {number}" for number in group],
    }
    return made | {"mm_token_type_ids": torch.tensor([[1] * len(prompts[0]) + [0] * len(responses[0])])}


def test_joined_batches_are_padded_left_before_the_prompt_and_right_after_the_response():
    joined = join_rows([batch([[5, 6]], [[7]], [0]), batch([[8]], [[9, 10, 11]], [1])], pad_token=3)
    assert joined["prompt_ids"].tolist() == [[5, 6], [3, 8]]
    assert joined["completion_ids"].tolist() == [[7, 3, 3], [9, 10, 11]]
    assert joined["completion_mask"].tolist() == [[1, 0, 0], [1, 1, 1]]
    assert joined["mm_token_type_ids"].tolist() == [[1, 1, 0, 0, 0], [0, 1, 0, 0, 0]]
    assert joined["pictures"] == ["picture 0", "picture 1"]


def test_first_groups_renumbers_and_cuts():
    rounds = [batch([[5]], [[7]], [3]), batch([[6]], [[8]], [0]), batch([[6]], [[9]], [7])]
    taken = first_groups(rounds, 2, pad_token=0)
    assert taken["group"].tolist() == [0, 1]
    assert taken["completion_ids"].tolist() == [[7], [8]]
