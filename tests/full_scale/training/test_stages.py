"""What goes into an update: supervised stages, refilled groups, pruned rows, an adapted slope."""

from dataclasses import replace

import pytest
import torch
from tiny import tiny_model
from tiny_runs import build, logged, losses, processor, rows, run, token_reward, weights, with_recipe
from trl import GRPOTrainer

from calibrl_ref import RECIPES, Plateau, Schedule, SlopeController
from full_scale.training.trainer import HybridPolicyTrainer

pytestmark = [
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),  # read by TRL 1.16
]
HALF = Schedule(((RECIPES["sft"](), 0.5), (RECIPES["grpo"](), 0.5)))


def with_schedule(schedule, method=None, **options):
    return lambda **given: HybridPolicyTrainer(schedule=schedule, method=method, **options, **given)


@pytest.fixture
def sampled(monkeypatch):
    """Counts the responses that the model samples."""
    counts = []
    original = GRPOTrainer._generate_single_turn

    def counting(self, prompt_ids, *args):
        counts.append(len(prompt_ids))
        return original(self, prompt_ids, *args)

    monkeypatch.setattr(GRPOTrainer, "_generate_single_turn", counting)
    return counts


def test_a_supervised_stage_samples_nothing_and_minimises_cross_entropy(tmp_path, sampled):
    trainer = build(with_schedule(HALF), tmp_path, max_steps=4)
    start = tiny_model(processor())
    trainer.train()
    assert sampled == [8, 8]  # of four steps the two of GRPO
    assert len(logged(trainer, "loss/imitation")) == len(logged(trainer, "reward")) == 2
    assert logged(trainer, "rows") == [2, 2, 8, 8]  # two experts, then two groups of four responses
    first = list(trainer._get_train_sampler())[:8:4]
    wanted = [cross_entropy(start, rows()[index]) for index in first]
    tokens = sum(count for _, count in wanted)
    assert losses(trainer)[0] == pytest.approx(sum(loss for loss, _ in wanted) / tokens, abs=1e-5)
    assert losses(trainer)[1] < losses(trainer)[0]


def cross_entropy(model, row):
    """By the model's own loss, without padding: summed over the expert's tokens, and their number."""
    chat = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": row["prompt"][0]["content"]}]}]
    text = processor().apply_chat_template(chat, add_generation_prompt=True)
    prompt = processor()(text=[text], images=[row["images"]], return_tensors="pt")
    tokenizer = processor().tokenizer
    answer = [*tokenizer(row["expert"].text, add_special_tokens=False)["input_ids"], tokenizer.eos_token_id]
    prompt["input_ids"] = torch.cat([prompt["input_ids"], torch.tensor([answer])], dim=1)
    added = torch.zeros(1, len(answer), dtype=torch.long)
    prompt["attention_mask"] = torch.ones_like(prompt["input_ids"])
    prompt["mm_token_type_ids"] = torch.cat([torch.as_tensor(prompt["mm_token_type_ids"]), added], dim=1)
    with torch.no_grad():
        logits = model(**prompt).logits[0, -len(answer) - 1 : -1]
    return torch.nn.functional.cross_entropy(logits, torch.tensor(answer), reduction="sum").item(), len(answer)


class Hiding(HybridPolicyTrainer):
    """Hides the experts of the first prompts in each batch."""

    hidden = 1

    def demonstrate(self, prompts):
        size = self.num_generations
        return super().demonstrate(
            [row | {"expert": None} if number < self.hidden * size else row for number, row in enumerate(prompts)]
        )


def test_prompts_without_an_expert_are_left_out_of_the_supervised_stage_with_a_count(tmp_path):
    trainer = run(lambda **options: Hiding(schedule=HALF, **options), tmp_path, max_steps=2)
    assert logged(trainer, "prompts_without_expert") == [1.0]
    assert logged(trainer, "rows") == [1.0, 8.0]
    assert losses(trainer)[0] > 0


def test_a_supervised_update_without_any_expert_changes_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(Hiding, "hidden", 2)
    trainer = run(lambda **options: Hiding(schedule=HALF, **options), tmp_path, max_steps=2)
    assert losses(trainer)[0] == 0.0
    assert logged(trainer, "grad_norm")[0] == 0.0


@pytest.fixture
def dull(monkeypatch):
    """Rewards all equal in a group, except where the prompt's numbers are even."""

    def reward(completion_ids, problem, **_):
        scores = token_reward(completion_ids)
        return [score if problem[row].id in interesting else 0.0 for row, score in enumerate(scores)]

    interesting = {rows()[index]["problem"].id for index in range(0, 16, 2)}
    return reward


@pytest.mark.parametrize("recipe", ["dapo", "calibrl_dapo"])
def test_groups_of_one_outcome_are_replaced_by_further_prompts(tmp_path, dull, sampled, recipe):
    trainer = build(with_recipe(recipe), tmp_path, reward=dull, per_device_train_batch_size=16, max_steps=2)
    trainer.train()
    extra = 4 if recipe == "calibrl_dapo" else 0
    assert logged(trainer, "rows") == [16 + extra] * 2
    assert all(count > 0 for count in logged(trainer, "dropped_groups"))
    assert sum(sampled) == 2 * 16 + 4 * sum(logged(trainer, "dropped_groups"))
    assert len(sampled) == sum(logged(trainer, "sampling_rounds"))
    assert all(count < 10 for count in logged(trainer, "sampling_rounds"))


def always_right(prompts, **_):
    return [1.0] * len(prompts)


def never_right(prompts, **_):
    return [0.0] * len(prompts)


def test_the_search_for_informative_groups_is_bounded(tmp_path, sampled):
    schedule = Schedule.named("dapo")
    trainer = build(
        with_schedule(schedule, generation_rounds=3),
        tmp_path,
        reward=lambda prompts, **_: [1.0] * len(prompts),
        max_steps=1,
    )
    trainer.train()
    assert sampled == [8, 8, 8]
    assert logged(trainer, "dropped_groups") == [6]
    assert logged(trainer, "rows") == [0]
    assert logged(trainer, "grad_norm") == [0.0]


@pytest.mark.slow
@pytest.mark.parametrize(("reward", "cause"), [(always_right, "all responses are right"), (never_right, "no response")])
def test_updates_without_any_advantage_are_warned_about_once_with_their_cause(tmp_path, caplog, reward, cause):
    run(with_recipe("calibrl"), tmp_path / "two", reward=reward, max_steps=2)
    assert "every advantage was 0" not in caplog.text
    run(with_recipe("calibrl"), tmp_path / "five", reward=reward, max_steps=5)
    assert caplog.text.count(f"every advantage was 0 in 3 samplings in a row: {cause}") == 1
    caplog.clear()
    run(with_recipe("calibrl"), tmp_path / "mixed", max_steps=4)
    run(with_recipe("sft"), tmp_path / "sft", max_steps=4)  # nothing is sampled
    assert "every advantage was 0" not in caplog.text


@pytest.mark.slow
def test_a_refilled_update_does_not_depend_on_its_micro_batches(tmp_path, dull):
    found = []
    for size in (16, 4, 2):
        changes = {"per_device_train_batch_size": size, "gradient_accumulation_steps": 16 // size}
        trainer = build(with_recipe("calibrl_dapo"), tmp_path / str(size), reward=dull, max_steps=2, **changes)
        trainer.train()
        found.append((losses(trainer), weights(trainer.model)))
    for loss, model in found[1:]:
        assert loss == pytest.approx(found[0][0], abs=1e-5)
        torch.testing.assert_close(model, found[0][1], atol=1e-5, rtol=0)


def test_cppo_prunes_before_the_model_is_called(tmp_path, monkeypatch):
    called = []
    original = HybridPolicyTrainer.score

    def counting(self, model, given, batch_size=None):
        called.append(len(given))
        return original(self, model, given, batch_size)

    monkeypatch.setattr(HybridPolicyTrainer, "score", counting)
    trainer = build(with_recipe("cppo", keep_fraction=0.5, kl_weight=0.0), tmp_path, max_steps=2)
    trainer.train()
    assert called == [4, 4]  # of two groups of four
    assert losses(trainer) != [0.0, 0.0]


def test_an_adapted_slope_follows_the_controller(tmp_path):
    recipe = {"target_entropy": 5.0, "adaptation_rate": 0.1, "slope": 0.5, "exploration_weight": 1.0}
    schedule = Schedule(((RECIPES["calibrl_adaptive"](**recipe), 1.0),))
    whole = run(with_schedule(schedule), tmp_path, max_steps=4)
    slope, controller = 0.5, SlopeController(target_entropy=5.0, rate=0.1)
    for measured, found in zip(logged(whole, "entropy"), logged(whole, "slope"), strict=True):
        slope = controller(slope, measured)
        assert found == pytest.approx(slope, abs=1e-6)
    assert 0 < slope < 1
    assert slope != 0.5


def test_the_moved_slope_is_the_one_that_the_next_update_uses(tmp_path):
    recipe = {"exploration_weight": 1.0, "slope": 0.9}
    adapted = {"adaptation_rate": 9.0, "target_entropy": 9.0}
    still = run(with_recipe("calibrl_adaptive", adaptation_rate=0.0, **recipe), tmp_path / "still", max_steps=2)
    moving = run(with_recipe("calibrl_adaptive", **adapted, **recipe), tmp_path / "moving", max_steps=2)
    assert losses(moving)[0] == losses(still)[0]
    assert losses(moving)[1] != losses(still)[1]


def test_at_least_one_generation_round(tmp_path):
    with pytest.raises(ValueError, match="generation_rounds is 0"):
        build(with_schedule(Schedule.named("dapo"), generation_rounds=0), tmp_path)


PLATEAU = replace(HALF, plateau=Plateau(patience=1))


def with_validation(schedule, kept=(10, 11)):
    return lambda **given: HybridPolicyTrainer(schedule=schedule, eval_dataset=rows().select(kept), **given)


def test_a_supervised_stage_ends_where_the_loss_on_kept_back_experts_falls_no_more(tmp_path, sampled):
    still = build(with_validation(PLATEAU), tmp_path, max_steps=6, learning_rate=0.0)
    still.train()
    wanted = [cross_entropy(tiny_model(processor()), rows()[index]) for index in (10, 11)]
    mean = sum(loss for loss, _ in wanted) / sum(count for _, count in wanted)
    assert logged(still, "validation_loss") == pytest.approx([mean, mean], abs=1e-5)
    assert logged(still, "rows") == [2, 8, 8, 8, 8, 8]  # the second loss is no lower: one supervised update, not three
    assert still.progress.left_at == 1
    assert len(sampled) == 5
    learning = run(with_validation(PLATEAU), tmp_path, max_steps=6)
    assert logged(learning, "rows") == [2, 2, 2, 8, 8, 8]
    assert logged(learning, "validation_loss") == sorted(learning.progress.validation_losses, reverse=True)
    assert len(logged(learning, "validation_loss")) == 3
    assert learning.progress.left_at is None


def test_to_look_at_the_kept_back_experts_changes_nothing_else(tmp_path):
    plain, watched = (
        run(kind, tmp_path, max_steps=4)
        for kind in (with_schedule(HALF), with_validation(replace(HALF, plateau=Plateau(patience=9))))
    )
    assert torch.equal(weights(plain.model), weights(watched.model))
    assert logged(plain, "prompts_without_expert") == logged(watched, "prompts_without_expert") == [0.0, 0.0]


@pytest.mark.parametrize("kept", [None, ()])
def test_a_plateau_without_kept_back_rows_is_refused(tmp_path, kept):
    with pytest.raises(ValueError, match=r"eval_dataset: expected rows with experts.* or leave plateau_patience out"):
        build(with_schedule(PLATEAU) if kept is None else with_validation(PLATEAU, kept), tmp_path)
